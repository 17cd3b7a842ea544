from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course


@rule(level="error", evidence="source")
def check(course: Course):
    """The trainer did not read the captions.

    Why: A caption file with another ending, or in another place, is passed over without a word: the LoRA is trained
    with empty captions or one prompt for all, and prompts do to it whatever they like.
    Instead: Give the trainer the captions' ending and look at what it counted; sd-scripts and musubi write the words
    they read into the LoRA's metadata.
    Sources: sd-scripts' default `.caption`,
    https://github.com/kohya-ss/sd-scripts/blob/main/docs/config_README-en.md; `ss_tag_frequency`,
    https://github.com/kohya-ss/sd-scripts/blob/main/library/train_util.py

    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [1000]
    [signals]
    captions_missing = 1.0
    ```
    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [1000]
    [signals]
    captions_missing = 0
    tags_recorded = 1
    ```
    ```run clean
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [1000]
    [signals]
    captions_missing = 0
    tags_recorded = 120
    ```
    """
    missing, counted, words = course.raised("captions_missing"), course.raised("tags_recorded"), course.words
    says = f"{missing.value:.0%} of the images have no caption that this trainer reads" if missing else ""
    if counted:
        says = f"the trainer counted {counted.value:.0f} word{'s' * (counted.value != 1)} in all captions"
    yield course.weigh(
        f"{says}: the words are not in the LoRA",
        main=("captions_missing", "tags_recorded"),
        advice=(
            words.set("dataset.caption_extension", course.caption_ending(), "the ending of the files that lie there",
                      "give the ending of the caption files"),
        ),
        clean="captions were read",
        prior=-0.4,
    )  # fmt: skip
