from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reported")
def check(environment: Environment) -> Iterator[Finding]:
    """fp16 on a GTX 16xx card, whose half precision returns zeros and NaN.

    Why: on the TU116 and TU117 chips (GTX 1630, 1650, 1660) fp16 arithmetic gives NaN or zeros without an error, and
    the LoRA file is mostly zeros.
    Instead: train in fp32 (`mixed_precision no`); these cards have no bf16 either. This is judged with
    `lora-doctor lint --environment` only.
    Sources: bmaltais/kohya_ss#811, https://github.com/bmaltais/kohya_ss/issues/811

    ```environment
    gpu: NVIDIA GeForce GTX 1660 SUPER, 6144, 7.5
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [precision]
    compute = "fp16"
    ```
    ```environment
    gpu: NVIDIA GeForce RTX 2060, 6144, 7.5
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [precision]
    compute = "fp16"
    ```
    """
    compute = environment.plan.precision.compute
    card = next((gpu for gpu in environment.gpus or () if "GTX 16" in gpu.name), None)
    if card is not None and compute.value == "fp16" and compute.place is not None:
        yield compute.finding(
            f"fp16 on a {card.name}: its half precision gives zeros and NaN without an error", "train in fp32"
        )
