from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="documented")
def check(course: Course):
    """Different prompts give much the same picture.

    Why: Where captions are alike, or a few images were shown too often, the picture comes to hang on the LoRA and no
    longer on the words. Same seeds and different prompts then give pictures that grow alike.
    Instead: Captions that say what differs between the images come first, then caption dropout and fewer steps. A
    lower rank is a weak remedy: between ranks 8 and 128 the best held-out loss differs by 0.2 %.
    Sources: Somepalli et al. 2023, https://arxiv.org/abs/2305.20086; spacepxl's rank sweep,
    https://github.com/spacepxl/demystifying-sd-finetuning; T-LoRA, https://arxiv.org/abs/2507.05964

    ```run flagged
    trainer = "musubi-tuner"
    family = "flux2-klein"
    steps = [0, 500, 1000]
    [signals]
    sameness = [0, 0.2, 0.4]
    diversity = [1, 0.6, 0.35]
    captions_alike = 0.95
    ```
    ```run clean
    trainer = "musubi-tuner"
    family = "flux2-klein"
    steps = [0, 500, 1000]
    [signals]
    sameness = [0, 0.02, 0.03]
    diversity = [1, 0.95, 0.95]
    captions_alike = 0.1
    ```
    """
    words, same = course.words, course.raised("sameness")
    alike = course.raised("captions_alike")
    first = "say in every caption what is different about its image"
    main = ["sameness", "prompt_sensitivity", "prompt_retrieval", "prompt_alignment"]
    if course.purpose != "style":  # which changes every picture, and what prompts differ in
        main += ["moved", "prompt_effect"]
    yield course.weigh(
        _told(course),
        main=main,
        also=("diversity", "encoder_diversity", "captions_alike", "copied_share"),
        advice=(
            Advice(f"{first}: {alike.value:.0%} of the captions say the same" if alike else first),
            words.set("dataset.caption_dropout", 0.1, "the picture must be learned apart from one sentence"),
            words.stop_at(course.before(same.since if same else None), "the last step at which prompts told apart"),
            words.set("network.rank", course.halved("network.rank"), "the last thing to try"),
        ),
        clean="different prompts give different pictures",
    )


def _told(course: Course) -> str:
    """By the clearest of what is raised."""
    effect = course.raised("prompt_effect")
    if course.raised("sameness"):
        return "samples of different prompts have grown alike: the prompt hardly matters any more"
    if course.raised("prompt_retrieval"):
        return "samples show less of what their prompts ask for than at step 0: the prompt hardly matters any more"
    if effect and course.purpose != "style":
        return f"of the difference that prompts make in the base model {max(0.0, effect.value):.0%} is left"
    return "prompts no longer give what they gave at step 0"
