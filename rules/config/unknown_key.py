from collections.abc import Iterator
from typing import Any

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import Config, Setting
from lora_doctor.suggest import unknown_keys

MANY = 8  # in one file: nobody misremembers that many


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key this trainer does not read.

    Why: most trainers take the keys they know out of a config and never look at the rest, so the setting has no
    effect and no message says so; those that check their keys stop at start.
    Instead: remove it, or look up what this trainer calls it. A fork, or a version newer than the one in the message,
    may read more keys: then ignore the finding. More than eight in one file are told together.
    Sources: the key lists extracted from each trainer's code, with their versions; unslothai/unsloth#10452,
    https://github.com/unslothai/unsloth/pull/10452

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    sharpen_gradients = true
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    compile = true
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    ```toml musubi-tuner flagged
    dit = "/models/flux-2-klein-base-4b.safetensors"
    network_module = "networks.lora_flux_2"
    network_dim = 16
    output_dir = "out"
    gpu_ids = ""
    training_mode = "LoRA"
    dataset_config_mode = "folders"
    dataset_resolution_width = 1024
    dataset_resolution_height = 1024
    caching_latent_device = "cuda"
    caching_teo_device = "cuda"
    caption_strategy = "txt"
    generated_toml_path = ""
    ```
    ```env SimpleTuner name=config.env flagged
    export MODEL_TYPE="lora"
    export MODEL_FAMILY="flux2"
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    export ALLOW_TF32="true"
    ```
    """
    found: dict[int, list[tuple[Config, str, Setting[Any]]]] = {}
    for config, key, setting, better in unknown_keys(plan):
        if better is None:
            found.setdefault(id(config), []).append((config, key, setting))
    for unknown in found.values():
        if len(unknown) > MANY:
            yield _together(plan, unknown)
            continue
        for config, key, setting in unknown:
            verdict = "stops at start" if config.strict else "ignores it"
            version = f"{plan.trainer} {config.table.version}"
            gone = config.table.gone.get(config.table.pattern(key))
            yield setting.key_finding(
                f"`{setting.key}` is {'gone from' if gone else 'not a key of'} {version}, which {verdict}",
                f"remove it: {gone}" if gone else "remove it, unless your version is newer or a fork",
                None if config.strict else setting.remove(safe=False),
            )


def _together(plan: Plan, unknown: list[tuple[Config, str, Setting[Any]]]) -> Finding:
    """One finding for a file with many such keys: it is a fork's, or another program's that starts the trainer."""
    config, _, first = unknown[0]
    names = [f"`{setting.key}`" for _, _, setting in unknown]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    verdict = "stops at start" if config.strict else "ignores them"
    return first.finding(
        f"{len(names)} keys are none of {plan.trainer} {config.table.version}, which {verdict}: {shown}",
        "give this file to the program they are of, or remove them",
    )
