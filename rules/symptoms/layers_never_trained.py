from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="reproduced")
def check(course: Course):
    """Layers of the LoRA are zero at the end of the run: they were never trained.

    Why: B begins at zero, so a layer whose B is zero has not taken one step: it got no gradient (a branch that the
    loss never reaches, a frozen text encoder, a wrong target name) and takes up room for nothing.
    Instead: Leave those modules out of the targets, or see why no gradient reaches them. In double-stream models the
    text half of the last block is dead by construction.
    Sources: LoRA's initialisation, https://arxiv.org/abs/2106.09685

    ```run flagged
    trainer = "SimpleTuner"
    family = "sdxl"
    steps = [500, 1000]
    [signals]
    dead_share = [0.5, 0.5]
    ```
    ```run clean
    trainer = "SimpleTuner"
    family = "sdxl"
    steps = [500, 1000]
    [signals]
    dead_share = [0, 0]
    ```
    """
    dead, words = course.read("dead_share"), course.words
    yield course.weigh(
        f"{dead.value:.0%} of the layers change nothing: they never took a step" if dead else "",
        main=("dead_share",),
        advice=(
            words.set("network.targets", None, "train only modules that the loss reaches", "leave those layers out"),
            Advice("`lora-doctor inspect --weights` on the last checkpoint names the layers"),
        ),
        clean="every layer changed",
    )
