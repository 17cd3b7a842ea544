from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="documented")
def check(course: Course):
    """Samples show training images again.

    Why: With too many steps for too few images the LoRA stores pictures instead of what they have in common: prompts
    call up one of the training images, whatever else they ask for. Copies show first under the training captions.
    Instead: Stop before they begin, add and vary images, vary captions or drop them now and then. What is meant to
    come back (a logo, a page of text) is found here too.
    Sources: Somepalli et al. 2022, https://arxiv.org/abs/2212.03860; Somepalli et al. 2023 (captions),
    https://arxiv.org/abs/2305.20086; Bonnaire et al. 2025 (steps grow with images), https://arxiv.org/abs/2505.17638;
    spacepxl's runs with held-out images, https://github.com/spacepxl/demystifying-sd-finetuning

    ```run flagged
    trainer = "ai-toolkit"
    family = "flux2-klein"
    steps = [0, 500, 1000, 1500]
    [signals]
    copied_share = [0, 0, 0.2, 0.5]
    likeness = [1.1, 1.0, 0.8, 0.5]
    ```
    ```run clean
    trainer = "ai-toolkit"
    family = "flux2-klein"
    steps = [0, 500, 1000, 1500]
    [signals]
    copied_share = [0, 0, 0, 0]
    likeness = [1.1, 1.0, 1.0, 0.95]
    ```
    """
    copied, words = course.raised("copied_share"), course.words
    since = copied.since if copied else None
    shown = words.exposures(since)
    how = f", after {shown:,.0f} showings of each image" if shown else ""
    says = "the loss on training images fell far below that on others: pictures are being learned by heart"
    if course.raised("recall"):
        says = "training captions bring their pictures back, far nearer than step 0: they are learned by heart"
    elif course.raised("likeness"):
        says = "samples lie nearer to training images than those to one another: pictures are being learned by heart"
    if copied:
        says = f"{copied.value:.0%} of the samples show a training image again{how}: pictures are learned by heart"
    elif seen := course.raised("sscd_copies"):
        says = f"SSCD takes {seen.value:.0%} of the samples for a training image: pictures are learned by heart"
    yield course.weigh(
        says,
        main=("copied_share", "sscd_copies", "recall", "likeness", "heldout_gap", "augmentation_gap"),
        also=("dino_copies", "gap_share", "heldout_rise", "exposures"),
        advice=(
            words.stop_at(course.before(since), "the last step without copies"),
            Advice("add images that differ: twice as many bear about one and a half times the steps"),
            words.set("dataset.caption_dropout", 0.1, "pictures stored under one caption are copied first"),
        ),
        clean="no sample shows a training image",
        sure=0.9 if course.trained_prompts else 0.75,
    )
