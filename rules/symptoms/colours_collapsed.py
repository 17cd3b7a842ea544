from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="warning", evidence="documented")
def check(course: Course):
    """Samples of different prompts have come down to the same few colours.

    Why: Colours collapse when the learning rate is too high, or when all training images share colours that no
    caption names. What the training images themselves lack is no collapse: a black-and-white style stays quiet.
    Instead: Where weights or gradients say that training ran hot, lower the rate; else name the colours in the
    captions and vary the images. A lower rate moves the optimum to later steps in proportion.
    Sources: the recipe this project began with ("colour/style collapse: LR too high"); spacepxl's rate sweep,
    https://github.com/spacepxl/demystifying-sd-finetuning; validation phases of EveryDream2,
    https://github.com/victorchall/EveryDream2trainer/blob/main/doc/VALIDATION.md

    ```run flagged
    trainer = "diffusion-pipe"
    family = "flux2-klein"
    steps = [0, 400, 800]
    [signals]
    palette = [1.0, 0.5, 0.3]
    diversity = [1.0, 0.6, 0.3]
    ```
    ```run clean
    trainer = "diffusion-pipe"
    family = "flux2-klein"
    steps = [0, 400, 800]
    [signals]
    palette = [1.0, 0.9, 0.95]
    diversity = [1.0, 0.9, 0.9]
    ```
    """
    words, spread = course.words, course.read("palette")
    hot = [name for name in ("gradient_growth", "growth", "turning") if course.raised(name)]
    cooler = (words.rate_by(0.5, "weights or gradients ran hot"),) if hot else ()
    yield course.weigh(
        f"the samples' colours spread {spread.value:.0%} as far as the references'" if spread else "colours collapsed",
        main=("palette",),
        also=("diversity", "sameness", "gain", "gradient_growth", "growth"),
        advice=(
            *cooler,
            words.stop_at(course.before(spread.since if spread else None), "the last step with the full palette"),
            Advice("name colours and light in the captions, so that they belong to words and not to the LoRA"),
        ),
        clean="colours vary as much as the references'",
    )
