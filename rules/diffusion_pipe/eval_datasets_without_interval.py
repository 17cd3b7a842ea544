from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Evaluation datasets that are used once, before training.

    Why: without `eval_every_n_epochs`, `_steps` or `_examples` the only evaluation is the one before the first
    step: it is one number, which says nothing of the training.
    Instead: set `eval_every_n_epochs = 1`.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 909 and 942,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_datasets = [{name = "held_out", config = "eval.toml"}]
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
    intervals = (plan.get(f"eval_every_n_{unit}").value for unit in ("epochs", "steps", "examples"))
    if plan.training and sets.value and not any(intervals):
        first = plan.get("eval_every_n_epochs")
        yield sets.finding(
            "no `eval_every_n_*`: the evaluation datasets are used once, before the first step",
            "set `eval_every_n_epochs`",
            first.write(1, safe=False),
        )
