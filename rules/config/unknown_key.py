from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import unknown_keys


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key this trainer does not read.

    Why: most trainers take the keys they know out of a config and never look at the rest, so the setting has no
    effect and no message says so; those that check their keys stop at start.
    Instead: remove it, or look up what this trainer calls it. A fork, or a version newer than the one in the message,
    may read more keys: then ignore the finding.
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
    """
    for config, _, setting, better in unknown_keys(plan):
        if better is None:
            verdict = "stops at start" if config.strict else "ignores it"
            version = f"{plan.trainer} {config.table.version}"
            yield setting.finding(
                f"`{setting.key}` is not a key of {version}, which {verdict}",
                "remove it, unless your version is newer or a fork",
                None if config.strict else setting.remove(safe=False),
            )
