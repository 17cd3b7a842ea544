from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="documented")
def check(course: Course):
    """Samples stay the same, pixel for pixel, while the weights change.

    Why: Equal pictures from different checkpoints mean that the sampler never used the LoRA: it was not attached, or
    its names fit nothing. The samples then judge the base model, and the LoRA may fail in other programs just as
    silently.
    Instead: See whether the LoRA loads elsewhere (`lora-doctor inspect` names the programs that load it) and sample
    from the checkpoints themselves. At a rate of 0 in warm-up the first samples are equal for a good reason.
    Sources: silent LoRAs in users' reports, https://github.com/kohya-ss/sd-scripts/issues/1464

    ```run flagged
    trainer = "OneTrainer"
    family = "flux2-klein"
    steps = [0, 500, 1000]
    [signals]
    frozen_samples = [1, 1]
    response = [0, 0]
    ```
    ```run clean
    trainer = "OneTrainer"
    family = "flux2-klein"
    steps = [0, 500, 1000]
    [signals]
    frozen_samples = [0, 0]
    response = [0.2, 0.4]
    ```
    """
    equal = course.read("frozen_samples")
    still = course.raised("same_weights")
    yield course.weigh(
        f"{equal.value:.0%} of the samples are equal to the step before, pixel for pixel: the LoRA is not in them"
        if equal
        else "",
        main=("frozen_samples",),
        also=("response",),
        advice=(
            Advice("the checkpoints are equal too: first see why the weights stand still")
            if still
            else Advice(
                "`lora-doctor inspect` on a checkpoint says which programs load it, and the command that mends it"
            ),
        ),
        clean="samples change with the weights",
    )
