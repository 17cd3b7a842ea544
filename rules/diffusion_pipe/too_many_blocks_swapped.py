from collections.abc import Iterator

from lora_doctor.models.families import size_of
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PAIRED = {"flux", "flux2", "chroma"}  # models with double and single blocks whose counts are known


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """More blocks swapped than the model can spare.

    Why: `blocks_to_swap` = n takes n // 2 double blocks and (n - n // 2) x 2 + 1 single blocks, and two of each
    kind must stay on the GPU: at most 7 for Klein 4B, 13 for Klein 9B and FLUX.2 dev, 34 for FLUX.1 and Chroma.
    Above that an assertion fails after caching and loading; the README's example of 32 is meant for video models.
    Instead: lower it to the limit.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/flux2.py lines 185-199, models/flux.py lines 406-420, README.md
    "Reducing VRAM requirements", https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    blocks_to_swap = 20
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
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
    blocks_to_swap = 13
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    """
    swap, size = plan.precision.blocks_to_swap, size_of(plan.model.family, plan.model.size)
    blocks = (19, 38) if plan.get("model.type").value == "chroma" else size.blocks if size else ()
    if str(plan.get("model.type").value) not in PAIRED or len(blocks) != 2 or not isinstance(swap.value, int):
        return
    double, single = blocks
    most = max(n for n in range(2 * double) if n // 2 <= double - 2 and (n - n // 2) * 2 + 1 <= single - 2)
    if swap.value > most:
        yield swap.finding(
            f"`blocks_to_swap` = {swap.value}: this model allows {most}, AssertionError after caching and loading",
            f"set it to {most}",
            swap.write(most, safe=False),
        )
