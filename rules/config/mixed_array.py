from collections.abc import Iterator
from typing import Any

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced", trainer=("diffusion-pipe", "sd-scripts", "musubi-tuner"))
def check(plan: Plan) -> Iterator[Finding]:
    """An array with values of several types, which the `toml` package refuses.

    Why: TOML 1.0 allows `[0.9, 1]`; the `toml` package these trainers read their files with does not: an integer
    beside a float, or a number beside a list, is `Not a homogeneous array`, and the run stops at start. Editors and
    other parsers show nothing.
    Instead: write all elements alike: `[0.9, 1.0]`, `[[512, 512], [1024, 768]]`.
    Sources: run with toml 0.10.2, https://github.com/uiri/toml; tdrussell/diffusion-pipe@8f83dbf train.py lines
    284, 394 and 445, https://github.com/tdrussell/diffusion-pipe; kohya-ss/sd-scripts@48d368f
    library/config_util.py line 691; kohya-ss/musubi-tuner@30c658c dataset/config_utils.py

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    betas = [0.9, 1]
    ```
    ```toml diffusion-pipe flagged
    resolutions = [512, [1024, 768]]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
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
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    betas = [0.9, 1.0]
    ```
    ```toml diffusion-pipe clean
    resolutions = [[512, 512], [1024, 768]]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    """
    for config in plan.configs:
        if config.document.syntax != "toml":
            continue
        for _, setting in config.written():
            kinds = mixed(setting.value)
            if not kinds:
                continue
            numbers = [item for item in setting.value or () if type(item) in (int, float)]
            yield setting.finding(
                f"{' and '.join(kinds)} in one array: the `toml` package stops with `Not a homogeneous array`",
                "write all elements alike",
                setting.write([float(item) for item in numbers]) if len(numbers) == len(setting.value or ()) else None,
            )


def kind_of(item: Any) -> str:
    """The type as `toml` tells them apart."""
    names = {bool: "booleans", int: "integers", float: "floats", str: "texts", list: "lists", dict: "tables"}
    return names.get(type(item), "dates")


def mixed(value: Any) -> list[str]:
    """The types that stand side by side in a list or in one inside it; none where all are alike."""
    if not isinstance(value, list):
        return []
    kinds = sorted({kind_of(item) for item in value})
    return kinds if len(kinds) > 1 else next((inner for item in value if (inner := mixed(item))), [])
