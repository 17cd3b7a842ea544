from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="reported")
def check(course: Course):
    """A grid of 16 or 32 pixels stands out in the samples.

    Why: Squares of the model's own patch size come with too high a rate, with overtraining, and with a network of
    large capacity that learned little. A grid that the base model has at these prompts, or that JPEG made, is not
    counted.
    Instead: Take an earlier checkpoint; train with a lower rate, or with decay strong enough to hold the norms.
    Sources: SimpleTuner's FLUX notes,
    https://github.com/bghira/SimpleTuner/blob/main/documentation/quickstart/FLUX.md; stripes in FLUX LoRAs,
    https://github.com/kohya-ss/sd-scripts/issues/1948

    ```run flagged
    trainer = "SimpleTuner"
    family = "flux1"
    steps = [0, 500, 1000]
    [signals]
    grid = [0, 1.1, 2.5]
    high_frequency = [0, 2.6, 4.2]
    ```
    ```run clean
    trainer = "SimpleTuner"
    family = "flux1"
    steps = [0, 500, 1000]
    [signals]
    grid = [0, 0.1, -0.1]
    high_frequency = [0, 0.2, 0.1]
    ```
    """
    seen, words = course.read("grid"), course.words
    yield course.weigh(
        f"a grid stands out of the samples {2**seen.value:.1f} times as much as at the start" if seen else "",
        main=("grid",),
        also=("high_frequency", "gradient_growth", "growth"),
        advice=(
            words.stop_at(course.before(seen.since if seen else None), "the last step without it"),
            words.rate_by(0.5, "the usual cause"),
            Advice("see that width and height of samples are multiples of 64"),
        ),
        clean="no grid beyond what step 0 shows",
    )
