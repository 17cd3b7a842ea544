from collections.abc import Iterator

from lora_doctor.environment import GIB, Environment
from lora_doctor.models.families import size_of
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

WORDS = ("swap", "offload", "low_vram", "lowvram", "quantiz", "quantis", "fp8", "fsdp")
BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5, "nf4": 0.5}


@rule(level="warning", evidence="documented")
def check(environment: Environment) -> Iterator[Finding]:
    """The model's weights alone are larger than the GPU's memory.

    Why: the frozen weights must lie on the card while a LoRA is trained, unless they are quantised, swapped or
    divided: parameters x bytes per weight is the least it takes, activations and the adapter come on top. Measured:
    Klein 4B about 12 GB in bf16 and 8 in int8, Klein 9B about 22 and 14.
    Instead: train on 8-bit weights, swap blocks to RAM, or use a smaller model. This is judged with `lora-doctor
    lint --environment` only.
    Sources: SimpleTuner documentation/quickstart/FLUX2.md, https://github.com/bghira/SimpleTuner;
    lora_doctor/models/families.py (parameters)

    ```environment
    gpu: NVIDIA GeForce RTX 4070, 12282, 8.9
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```environment
    gpu: NVIDIA GeForce RTX 4070, 12282, 8.9
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    diffusion_model_dtype = "float8"
    ```
    ```environment
    gpu: NVIDIA GeForce RTX 4070, 12282, 8.9
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    blocks_to_swap = 13
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    plan, size = environment.plan, size_of(environment.plan.model.family, environment.plan.model.size)
    width = BYTES.get(str(plan.precision.base.value or plan.precision.compute.value))
    if not environment.gpus or size is None or size.parameters is None or width is None or _divided(plan):
        return
    card, weights = max(environment.gpus, key=lambda gpu: gpu.memory), size.parameters * width
    setting = plan.model.setting
    if weights > card.memory and setting.place:
        yield setting.finding(
            f"{weights / GIB:.0f} GB of weights do not fit the {card.memory / GIB:.0f} GB of {card.name}",
            "quantise the base model or swap blocks",
        )


def _divided(plan: Plan) -> bool:
    """Whether the config asks for swapping, offloading, quantising or several cards in any trainer's words."""
    settings = [(key.lower(), setting.value) for config in plan.configs for key, setting in config.written()]
    return any(_on(value) and any(word in key for word in WORDS) for key, value in settings) or any(
        key.endswith("pipeline_stages") and isinstance(value, int) and value > 1 for key, value in settings
    )


def _on(value: object) -> bool:
    if isinstance(value, str):
        return value.lower() not in ("", "none", "no", "no_change", "false", "0")
    return isinstance(value, (bool, int, float)) and value > 0
