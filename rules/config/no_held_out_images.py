from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """No image is held out, so nothing can show when overfitting begins.

    Why: the training loss falls or wanders whether a LoRA generalises or memorises; the loss on a few held-out images
    at fixed noise levels is the one curve that turns upward. This trainer can measure it.
    Instead: hold out one or two images (more from larger sets) and look for the turn, not for the lowest value.
    Sources: ostris/ai-toolkit@1eb97b74 (validation items); tdrussell/diffusion-pipe@8f83dbf train.py (`eval_datasets`);
    spacepxl, https://github.com/spacepxl/demystifying-sd-finetuning

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    eval_every_n_epochs = 1
    eval_datasets = [{name = "held out", config = "eval.toml"}]
    [model]
    type = "flux2"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    """
    held_out = plan.validation.held_out
    if plan.config.has("eval_every_n_epochs") or plan.config.has("eval_every_n_steps"):
        return  # `eval-interval-without-datasets`
    if not plan.training or not held_out.key or held_out.place is None or plan.network.kind.value == "full":
        return
    if held_out.value in (None, 0, 0.0, [], "", False):
        yield held_out.finding("no image is held out: when overfitting begins will not show", f"set `{held_out.key}`")
