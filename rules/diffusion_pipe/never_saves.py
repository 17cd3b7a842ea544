from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KEYS = ("save_every_n_epochs", "save_every_n_steps", "save_every_n_examples")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No save interval, which diffusion-pipe requires.

    Why: `train.py` asserts that one of `save_every_n_epochs`, `save_every_n_steps` or `save_every_n_examples` is set
    and stops at start otherwise.
    Instead: add `save_every_n_epochs = 1`, or whatever interval gives ten or so checkpoints to choose from.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py line 95, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_steps = 250
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    """
    if plan.training and not any(plan.config.has(key) for key in KEYS):
        setting = plan.get("save_every_n_epochs")
        yield setting.finding(
            "no `save_every_n_*` key: diffusion-pipe stops at start with an AssertionError",
            "set `save_every_n_epochs`",
            setting.write(1),
        )
