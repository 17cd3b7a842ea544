from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An evaluation interval, but nothing to evaluate on.

    Why: the loop over `eval_datasets` is empty, so no validation loss is ever computed and nothing says so. Nine of
    fifteen configs found in public repositories are like this, because the example file sets the interval and
    leaves the datasets commented out.
    Instead: hold a few images back, list their dataset config in `eval_datasets`, or remove the interval. Training
    loss alone does not show overfitting.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 234 and 942, examples/main_example.toml,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_every_n_epochs = 1
    eval_datasets = [{name = "held_out", config = "eval.toml"}]
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    intervals = [plan.get(f"eval_every_n_{unit}") for unit in ("epochs", "steps", "examples")]
    written = [setting for setting in intervals if setting.written and setting.value]
    if plan.training and written and not plan.get("eval_datasets").value:
        yield written[0].finding(
            f"`{written[0].key}` = {written[0].value} without `eval_datasets`: nothing is ever evaluated",
            "list a dataset config of held-out images in `eval_datasets`",
        )
