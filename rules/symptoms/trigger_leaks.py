from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="note", evidence="documented")
def check(course: Course):
    """Prompts without the trigger change as much as those with it.

    Why: Nothing in plain LoRA training ties what is learned to the trigger: without regularisation images or a
    preservation loss the class word alone calls it up, and two such LoRAs can't be used together.
    Instead: Train with regularisation images of the class or with the trainer's preservation loss, where the LoRA is
    to stay quiet without its trigger. A style that is meant for every prompt may leak.
    Sources: DreamBooth's prior preservation, https://arxiv.org/abs/2208.12242; drift correction,
    https://arxiv.org/abs/2410.14159; ai-toolkit's diff_output_preservation, https://github.com/ostris/ai-toolkit

    ```run flagged
    trainer = "ai-toolkit"
    family = "flux2-klein"
    purpose = "subject"
    steps = [500, 1000, 1500]
    [signals]
    leak = [0.7, 0.95, 1.0]
    gating = [0.7, 0.9, 0.95]
    ```
    ```run clean
    trainer = "ai-toolkit"
    family = "flux2-klein"
    purpose = "subject"
    steps = [500, 1000, 1500]
    [signals]
    leak = [0.2, 0.2, 0.25]
    gating = [0.2, 0.2, 0.2]
    ```
    """
    leak = course.read("leak")
    told = f"pictures without the trigger change {leak.value:.0%} as much as those with it" if leak else ""
    if seen := course.raised("uncalled_subject"):
        told = f"pictures without the trigger come {seen.value:.0%} as near to the training images as those with it"
    keep = {
        "ai-toolkit": Advice("set `train.diff_output_preservation` to true", "train.diff_output_preservation", "true"),
        "SimpleTuner": Advice("add a data set with `is_regularisation_data`", "is_regularisation_data", "true"),
    }.get(course.run.trainer, Advice("add regularisation images: the class without the subject, captioned without it"))
    yield course.weigh(
        told or "predictions without the trigger change as much as those with it",
        main=("leak", "gating", "uncalled_subject"),
        advice=(keep, Advice("use a trigger that is no word of the language: `lora-doctor trigger` proposes some")),
        clean="the trigger decides whether the LoRA speaks",
        most=0.9 if course.read("gating") or course.read("uncalled_subject") else 0.7,
    )
