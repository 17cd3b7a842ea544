from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="note", evidence="reported")
def check(course: Course):
    """The run went past its optimum: hands, limbs and faces are at risk.

    Why: Distorted bodies follow when training goes on past the optimum. No classical measurement tells a malformed
    hand: from the run's course alone this is a risk, never a finding about a picture, and its confidence stays at a
    half. A detector that you have (`--detector`) looks at the pictures: bodies it is less sure of than of sound ones,
    and more hands than bodies have.
    Instead: Look at hands and faces of the late samples beside the early ones; take a checkpoint near the held-out
    minimum. The 7,000 steps that are passed on for FLUX are one project's number: the optimum grows with the images
    and falls with the learning rate. A style that takes faces apart makes detectors unsure too.
    Sources: the recipe this project began with ("stop at about 7K steps (FLUX)"); spacepxl's runs (optimum by images
    and rate), https://github.com/spacepxl/demystifying-sd-finetuning; half of all generated images have distortions
    anyway (Distortion-5K), https://arxiv.org/abs/2503.00811; detectors' confidence as a measure of hands (HandRefiner),
    https://arxiv.org/abs/2311.17957

    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 2000, 4000, 5000]
    [signals]
    heldout_rise = [0, 0, 0.01, 0.03, 0.05]
    past_optimum = [0.5, 1, 2, 4, 5]
    ```
    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    count = 32
    steps = [0, 1000, 2000, 4000]
    [signals]
    bodies_unclear = [0.05, 0.1, 0.3, 0.6]
    parts_too_many = [0, 0, 0.2, 0.4]
    ```
    ```run clean
    trainer = "sd-scripts"
    family = "sdxl"
    count = 32
    steps = [0, 1000, 2000, 4000]
    [signals]
    bodies_unclear = [0.05, 0.05, 0.0, 0.1]
    parts_too_many = [0, 0, -0.05, 0]
    heldout_rise = [0, 0, 0, 0.001]
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
    past, also = ("heldout_rise", "past_optimum"), ("heldout_gap", "exposures", "high_frequency", "copied_share")
    seen = [name for name in ("bodies_unclear", "parts_too_many") if course.read(name)]
    says = f"past the optimum{f' at step {best:,}' if best else ''}: hands, limbs, faces at risk (none was measured)"
    clean = "nothing says that the run went past its optimum; bodies themselves were not measured"
    if seen:
        unclear, odd = course.raised("bodies_unclear"), course.raised("parts_too_many")
        parts = (f"the detector is unsure of {unclear.value:.0%} of the bodies that were asked for" if unclear else "",
                 f"{odd.value:.0%} more samples than sound pictures have a part too many" if odd else "")  # fmt: skip
        says = ", ".join(part for part in parts if part)
        clean = "the detector finds bodies on samples as clear as on sound pictures, and no part too many"
    began = next((found.since for name in seen if (found := course.raised(name))), risen.since if risen else None)
    yield course.weigh(
        says,
        main=seen or past,
        also=(*(past if seen else ()), *also),
        advice=(
            course.words.stop_at(2 * best if best else course.before(began), "twice the optimum" if best else _LAST),
            Advice("look at hands and faces of the last samples beside those near the optimum"),
        ),
        most=0.85 if seen else 0.5,
        clean=clean,
        sure=0.75 if seen else 0.6,
    )


_LAST = "the last step before it began"
