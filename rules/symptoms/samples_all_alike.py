from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="documented")
def check(course: Course):
    """Samples vary far less than the base model's did at the same prompts and seeds.

    Why: The LoRA gives one composition, one face, one background whatever is asked and drawn: variety is what an
    over-trained LoRA loses first, before single pictures look wrong.
    Instead: Take an earlier checkpoint, add images that differ in composition, train at the same rate for fewer
    steps. A LoRA of one subject narrows pictures on purpose: what counts is how far below step 0 it goes.
    Sources: spacepxl's run ("variety severely reduced" at five times the optimum),
    https://github.com/spacepxl/demystifying-sd-finetuning; Vendi score, https://arxiv.org/abs/2210.02410

    ```run flagged
    trainer = "OneTrainer"
    family = "sdxl"
    steps = [0, 500, 1000, 1500]
    [signals]
    diversity = [1, 0.8, 0.5, 0.25]
    palette = [1, 0.9, 0.7, 0.55]
    ```
    ```run clean
    trainer = "OneTrainer"
    family = "sdxl"
    steps = [0, 500, 1000, 1500]
    [signals]
    diversity = [1, 1.05, 0.95, 0.9]
    sameness = [0, 0, 0.02, 0.03]
    ```
    """
    varied, words = course.raised("diversity") or course.raised("encoder_diversity"), course.words
    yield course.weigh(
        f"samples vary {varied.value:.0%} as much as at the start, at the same prompts" if varied else "",
        main=("diversity", "encoder_diversity"),
        also=("sameness", "palette", "copied_share", "past_optimum"),
        advice=(
            words.stop_at(course.before(varied.since if varied else None), "the last step with the full variety"),
            Advice("add images with other compositions, poses and backgrounds"),
        ),
        clean="samples vary as much as at the start",
    )
