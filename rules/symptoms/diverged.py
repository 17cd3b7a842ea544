from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="documented")
def check(course: Course):
    """The run diverged: NaN in weights or losses, blank samples, gradients that grow and grow.

    Why: One infinite number in a layer spreads to every picture and every later step; nothing after it can be used.
    Some trainers print that the loss is NaN, put a zero in its place and go on.
    Instead: Go back to the last whole checkpoint; lower the rate or clip gradients, and keep to bf16 or fp32 where
    fp16 overflows (SDXL's VAE does). What a log says of the loss's height is no evidence and is not used.
    Sources: ai-toolkit zeroes a NaN loss,
    https://github.com/ostris/ai-toolkit/blob/main/extensions_built_in/sd_trainer/SDTrainer.py; SDXL's VAE in fp16,
    https://huggingface.co/madebyollin/sdxl-vae-fp16-fix

    ```run flagged
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 1500]
    [signals]
    broken_layers = [0, 0, 140]
    ```
    ```run flagged
    trainer = "ai-toolkit"
    steps = [500, 1000, 1500]
    [signals]
    loss_broken = [0, 1, 40]
    blank_samples = [0, 0.5, 1]
    ```
    ```run clean
    trainer = "sd-scripts"
    family = "sdxl"
    steps = [500, 1000, 1500]
    [signals]
    broken_layers = [0, 0, 0]
    loss_broken = 0
    blank_samples = [0, 0, 0]
    ```
    """
    words = course.words
    found = [course.raised(name) for name in ("broken_layers", "loss_broken", "blank_samples", "gradient_growth")]
    told = [f"{each.spec.title}: {course.shown(each)}" for each in found if each]
    since = min((each.since for each in found if each and each.since is not None), default=None)
    yield course.weigh(
        f"the run broke{f' by step {since:,}' if since else ''}: {'; '.join(told)}",
        main=("broken_layers", "loss_broken", "blank_samples", "gradient_growth"),
        advice=(
            Advice(f"use no checkpoint from step {since:,} on" if since else "use none of these checkpoints"),
            words.rate_by(0.5, "the usual cause"),
            words.set("optimizer.gradient_clip", 1.0, "one bad batch can't carry the weights away"),
            words.set("precision.compute", "bf16", "fp16 overflows above 65,504"),
        ),
        clean="weights and losses are numbers, no sample is blank",
    )
