from collections.abc import Iterator

from lora_doctor.models.optimizers import BUILT_IN, CLASSES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Optimiser name in the wrong case.

    Why: nine names are built in and read in any case; every other one is looked up as a class of pytorch_optimizer,
    where case counts: AttributeError after caching and loading.
    Instead: write the class name as pytorch_optimizer spells it.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py lines 655-700, https://github.com/tdrussell/diffusion-pipe;
    pytorch_optimizer 4.1.0 optimizer/__init__.py, https://github.com/kozistr/pytorch_optimizer

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
    type = "prodigy"
    lr = 1
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
    type = "Prodigy"
    lr = 1
    ```
    """
    name = plan.optimizer.name
    if not isinstance(name.value, str) or name.value.lower() in BUILT_IN or name.value in CLASSES:
        return
    right = next((known for known in CLASSES if known.lower() == name.value.lower()), None)
    if right:
        yield name.finding(
            f"pytorch_optimizer has no `{name.value}`: AttributeError after caching and loading",
            f"write `{right}`",
            name.write(right),
        )
