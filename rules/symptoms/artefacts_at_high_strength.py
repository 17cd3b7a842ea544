from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="documented")
def check(course: Course):
    """Artefacts appear when the LoRA is turned up a little.

    Why: A LoRA trained into instability sits at the edge: at strength 1.2 textures burn, grids and stripes come out.
    What the base model shows by itself at the same seeds is no artefact of the LoRA.
    Instead: Use it below the strength it breaks at, and train again with less of rate times alpha over rank, or fewer
    steps. Weight decay only helps where rate x decay x steps comes to 0.1 or more; 0.01 at a rate of 1e-4 takes 0.1 %
    off in 1,000 steps.
    Sources: SimpleTuner's FLUX notes (grids, Lipschitz decay),
    https://github.com/bghira/SimpleTuner/blob/main/documentation/quickstart/FLUX.md; stripes and weight norms,
    https://github.com/kohya-ss/sd-scripts/pull/1808; the base model's own grid,
    https://github.com/black-forest-labs/flux/issues/406

    ```run flagged
    trainer = "lora-doctor"
    family = "sana"
    steps = [0, 500, 1000]
    [signals]
    strength_knee = 1.0
    grid = [0, 0.4, 1.2]
    ```
    ```run clean
    trainer = "lora-doctor"
    family = "sana"
    steps = [0, 500, 1000]
    [signals]
    strength_knee = 2.0
    grid = [0, 0.1, 0.2]
    ```
    """
    words, knee = course.words, course.raised("strength_knee")
    alpha = course.halved("network.alpha")
    yield course.weigh(
        f"artefacts above a strength of {knee.value:g}" if knee else "the change breaks away at high strength",
        main=("strength_knee", "turned_up", "strength_response"),
        also=("grid", "high_frequency", "growth", "norm_outlier", "gradient_growth"),
        advice=(
            Advice(f"use the LoRA at strength {knee.value:g} or less" if knee else "use the LoRA at a lower strength"),
            words.set("network.alpha", alpha, "with the same steps the change stays smaller", "halve the alpha"),
            *course.decay_advice(),
        ),
        clean="no artefacts up to the highest strength sampled",
    )
