from collections.abc import Iterator

from lora_doctor.models.optimizers import BUILT_IN, CLASSES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An optimiser that neither diffusion-pipe nor pytorch_optimizer has.

    Why: what is not built in is looked up as a class of pytorch_optimizer; a name of another library or trainer
    ends in an AttributeError after caching and loading.
    Instead: use a built-in one or a class of pytorch_optimizer. A pytorch_optimizer newer than 4.1.0, or your own
    line in train.py, may know the name: allow it then.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 655-700, https://github.com/tdrussell/diffusion-pipe;
    pytorch_optimizer 4.1.0, https://github.com/kozistr/pytorch_optimizer

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
    type = "PagedAdamW8bit"
    lr = 1e-4
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
    type = "adamw8bit"
    lr = 1e-4
    ```
    """
    name = plan.optimizer.name
    if not isinstance(name.value, str) or name.value.lower() in BUILT_IN:
        return
    if name.value.lower() not in {known.lower() for known in CLASSES}:
        yield name.finding(
            f"`{name.value}` is not built in and no class of pytorch_optimizer 4.1.0: AttributeError after caching and "
            "loading",
            "use `adamw_optimi`, `adamw8bit` or a class of pytorch_optimizer",
        )
