from lora_doctor.rule import rule
from lora_doctor.symptoms.course import Course
from lora_doctor.symptoms.verdict import Advice


@rule(level="error", evidence="reproduced")
def check(course: Course):
    """Weights stand still while the run goes on.

    Why: A bf16 number has eight bits: a step smaller than its last half is rounded away, so at a rate of 5e-5 weights
    above 0.013 to 0.026 never move. Checkpoints with the very same weights say the same of all layers at once.
    Instead: Keep the adapter in fp32, or use an optimiser that keeps what rounding takes (Kahan summation, stochastic
    rounding), or raise the rate. Checkpoints that are equal because the rate is 0 need a schedule that ends later.
    Sources: diffusion-pipe's AdamW8bitKahan, https://github.com/tdrussell/diffusion-pipe; measured with torch 2.13: a
    step is never lost at 256 times the rate, always at 400

    ```run flagged
    trainer = "diffusers"
    family = "flux2-klein"
    steps = [500, 1000, 1500]
    [signals]
    unchanged = [0.9, 0.92, 0.95]
    rounded_away = [0.6, 0.6, 0.6]
    ```
    ```run flagged
    trainer = "musubi-tuner"
    steps = [500, 1000, 1500]
    [signals]
    same_weights = [0, 1, 1]
    ```
    ```run clean
    trainer = "diffusers"
    family = "flux2-klein"
    steps = [500, 1000, 1500]
    [signals]
    unchanged = [0.05, 0.08, 0.1]
    same_weights = [0, 0, 0]
    ```
    """
    same, still, words = course.raised("same_weights"), course.raised("unchanged"), course.words
    says = (
        f"from step {same.since:,} on checkpoints have the same weights: nothing is learned"
        if same and same.since
        else ""
    )
    if not says and still:
        says = f"{still.value:.0%} of single weights are what they were one checkpoint before: rounding takes the steps"
    yield course.weigh(
        says or "bf16 rounds the steps of this rate away for most weights",
        main=("same_weights", "unchanged", "rounded_away"),
        advice=(
            words.set("network.dtype", "fp32", "the adapter is small, and steps are no longer rounded away",
                      "keep the adapter in fp32"),
            Advice("or use an optimiser that keeps what rounding takes (Kahan summation)"),
        ),
        clean="weights move from checkpoint to checkpoint",
    )  # fmt: skip
