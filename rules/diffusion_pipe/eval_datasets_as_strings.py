from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`eval_datasets` holds paths instead of tables.

    Why: a plain path is read when the datasets are cached, but copying the configs into the run's folder takes
    `eval_dataset['config']`: TypeError after all caching and the loading of the model.
    Instead: write `{name = "held_out", config = "eval.toml"}`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 435-445 and 556,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_datasets = ["eval.toml"]
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
    eval_datasets = [{name = "held_out", config = "eval.toml"}]
    eval_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    sets = plan.get("eval_datasets")
    paths = [item for item in sets.value if isinstance(item, str)] if isinstance(sets.value, list) else []
    if paths:
        tables = [{"name": f"eval{i}", "config": item} for i, item in enumerate(paths)]
        yield sets.finding(
            f"`eval_datasets` holds a path ({paths[0]}): TypeError after caching and loading",
            f'write {{name = "{tables[0]["name"]}", config = "{tables[0]["config"]}"}}',
        )
