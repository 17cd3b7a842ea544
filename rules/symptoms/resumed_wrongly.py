from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="documented")
def check(course: Course):
    """The run was resumed without its state: what came before was thrown away.

    Why: A run that is "resumed" from nothing counts from 0 again, overwrites early checkpoints and warms up anew. Its
    files then come from two trainings: neighbours point in unrelated directions, or the change shrinks at once.
    Instead: Resume from a saved optimiser state (not from the LoRA file), in the trainer's own way, and compare the
    step it reports. Checkpoints before the break belong to another training: do not average or compare them.
    Sources: step counter after resuming, https://github.com/kohya-ss/sd-scripts/issues/1359; diffusers looks only at
    the last part of --resume_from_checkpoint, https://github.com/huggingface/diffusers/tree/main/examples/dreambooth

    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 1500]
    [signals]
    continuity = [0.95, 0.04, 0.95]
    norm_fall = [-0.2, 0.6, -0.3]
    counter_restarts = [0, 1, 1]
    ```
    ```run clean
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 1500]
    [signals]
    continuity = [0.9, 0.95, 0.97]
    norm_fall = [-0.4, -0.2, -0.1]
    counter_restarts = 0
    ```
    """
    strange, back = course.raised("continuity"), course.raised("counter_restarts")
    at = strange.at if strange else None
    says = f"the checkpoint of step {at:,} does not go on from the one before it" if at else ""
    says = says or (
        f"the step counter fell back after step {back.signal.at[0]:,}" if back else "the change shrank at once"
    )
    yield course.weigh(
        f"{says}: two trainings lie in one folder",
        main=("continuity", "norm_fall", "counter_restarts"),
        also=("rate_jump",),
        advice=(
            Advice(
                f"use no checkpoint before step {at:,} together with later ones" if at else "look which files are newer"
            ),
            course.words.set("saving.resume", None, "the LoRA file holds no step", "resume from the optimiser's state"),
        ),
        clean="each checkpoint goes on from the one before",
    )
