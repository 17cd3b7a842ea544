from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="documented")
def check(course: Course):
    """What the model knew beside the subject has changed too.

    Why: A LoRA that is strong everywhere shifts prompts that have nothing to do with it, and whole classes get worse
    that nobody samples while training. Averages over many prompts do not show it: the worst family of prompts does.
    Instead: Train fewer steps, at fewer layers, or with a preservation loss; sample one or two unrelated prompts at
    every checkpoint. From pictures alone this is told with less confidence than from the base model's own
    predictions.
    Sources: drift correction (zero-shot accuracy down by up to 60 %), https://arxiv.org/abs/2410.14159; DriftScope,
    https://arxiv.org/abs/2607.00183

    ```run flagged
    trainer = "diffusers"
    family = "sana"
    steps = [500, 1000]
    [signals]
    drift = [0.6, 1.0]
    leak = [0.8, 0.95]
    ```
    ```run clean
    trainer = "diffusers"
    family = "sana"
    steps = [500, 1000]
    [signals]
    drift = [0.1, 0.2]
    leak = [0.1, 0.2]
    ```
    """
    drift = course.read("drift")
    yield course.weigh(
        f"unrelated prompts change {drift.value:.0%} as much as the LoRA's own"
        if drift
        else "unrelated prompts change",
        main=("drift", "unrelated_effect"),
        also=("leak", "diversity", "continuity"),
        advice=(
            course.words.stop_at(course.before(drift.since if drift else None), "less of the model has moved"),
            Advice("add regularisation images, or the trainer's preservation loss"),
        ),
        clean="unrelated prompts stay what they were",
    )
