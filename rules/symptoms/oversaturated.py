from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="documented")
def check(course: Course):
    """Samples are more saturated and harder than both the base model's and the training images.

    Why: A change that only strengthens what the model predicts anyway shows as colour and contrast: pictures look
    fried. Colour that the training images have is not counted, nor is what the base does at these prompts.
    Instead: Stop earlier, lower the rate or alpha, or use the LoRA below strength 1. Check the samples' guidance
    first: a distilled Klein sampled with guidance above 1 looks the same, with any LoRA.
    Sources: Sadat et al. 2024 (APG), https://arxiv.org/abs/2410.02416; validation phases of EveryDream2 ("saturation
    stronger, everything more intense"), https://github.com/victorchall/EveryDream2trainer/blob/main/doc/VALIDATION.md

    ```run flagged
    trainer = "ai-toolkit"
    family = "sdxl"
    steps = [0, 500, 1000, 1500]
    [signals]
    oversaturation = [0, 1, 3, 5]
    contrast = [0, 1, 2, 4.5]
    clipped = [0, 0, 0.03, 0.1]
    ```
    ```run clean
    trainer = "ai-toolkit"
    family = "sdxl"
    steps = [0, 500, 1000, 1500]
    [signals]
    oversaturation = [0, -0.5, 0.3, 0.4]
    contrast = [0, 0.1, 0.2, 0.5]
    clipped = [-0.01, -0.01, -0.01, 0]
    ```
    """
    colour, words = course.read("oversaturation"), course.words
    told = (
        f"colour stands {colour.value:.1f} standard deviations above {colour.signal.against or 'the references'}"
        if colour and colour.value > 0
        else "more pixels are burnt out or black than in the references"
        if colour
        else "colour and contrast stand above the references"
    )
    since = colour.since if colour else None
    yield course.weigh(
        told,
        main=("oversaturation",),
        also=("clipped", "contrast", "high_frequency", "gain"),
        advice=(
            words.stop_at(course.before(since), "the last step with the references' colours"),
            words.rate_by(0.5, "the same, later and softer"),
            Advice("sample at strength 0.8 and at the guidance the model was made for before training again"),
        ),
        clean="colour and contrast are those of the references",
    )
