from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="note", evidence="reported")
def check(course: Course):
    """The run went past its optimum: hands, limbs and faces are at risk.

    Why: Distorted bodies follow when training goes on past the optimum. No classical measurement tells a malformed
    hand, so this is a risk read from the run's course, never a finding about a picture, and its confidence stays at a
    half.
    Instead: Look at hands and faces of the late samples beside the early ones; take a checkpoint near the held-out
    minimum. The 7,000 steps that are passed on for FLUX are one project's number: the optimum grows with the images
    and falls with the learning rate.
    Sources: the recipe this project began with ("stop at about 7K steps (FLUX)"); spacepxl's runs (optimum by images
    and rate), https://github.com/spacepxl/demystifying-sd-finetuning; half of all generated images have distortions
    anyway (Distortion-5K), https://arxiv.org/abs/2503.00811

    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 2000, 4000, 5000]
    [signals]
    heldout_rise = [0, 0, 0.01, 0.03, 0.05]
    past_optimum = [0.5, 1, 2, 4, 5]
    ```
    ```run clean
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 1500]
    [signals]
    heldout_rise = [0, 0, 0.001]
    past_optimum = [0.5, 1, 1.5]
    ```
    """
    best = course.optimum()
    risen = course.raised("heldout_rise")
    yield course.weigh(
        f"past the optimum{f' at step {best:,}' if best else ''}: hands, limbs, faces at risk (none was measured)",
        main=("heldout_rise", "heldout_gap"),
        also=("past_optimum", "exposures", "high_frequency", "copied_share"),
        advice=(
            course.words.stop_at(
                2 * best if best else course.before(risen.since if risen else None), "twice the optimum"
            ),
            Advice("look at hands and faces of the last samples beside those near the optimum"),
        ),
        most=0.5,
        clean="nothing says that the run went past its optimum; bodies themselves were not measured",
        sure=0.6,
    )
