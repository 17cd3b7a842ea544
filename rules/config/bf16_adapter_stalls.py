from collections.abc import Iterator

from lora_doctor.derived import optimizer_family
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SAFE_OPTIMIZERS = ("kahan", "optimi", "adamw_bf16", "stochastic", "came", "sdnq", "ao-")
FINE = 1e-4  # diffusion-pipe with AdamW: half of the weights never move at 2e-5, all move at 1e-4


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """Adapter weights in bf16 with an optimiser that rounds small updates away.

    Why: bf16 keeps 8 bits, so an update smaller than 0.2 % of a weight disappears. With plain AdamW at 2e-5 about half
    of the `lora_A` weights never change in a run; training looks as if it had stopped improving.
    Instead: keep the adapter in fp32 (it is small), or use an optimiser with Kahan summation or stochastic rounding
    (`adamw_optimi`, `AdamW8bitKahan`, `adamw_bf16`), or a learning rate of 1e-4 and more.
    Sources: simulated on a rank-32 adapter with torch (49.7 % of the entries unchanged after the run at 2e-5, none at
    1e-4); tdrussell/diffusion-pipe@8f83dbf examples/main_example.toml

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
    [optimizer]
    type = "adamw"
    lr = 2e-5
    ```
    ```toml diffusion-pipe clean
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
    dtype = "float32"
    [optimizer]
    type = "adamw"
    lr = 2e-5
    ```
    """
    dtype, name, rate = plan.network.dtype.value, str(plan.optimizer.name.value or "").lower(), plan.learning_rate
    if not plan.training or plan.network.kind.value == "full" or dtype != "bf16" or not name:
        return
    if plan.trainer == "diffusers":  # draws `lora_A` a hundred times larger: `adapter-frozen-in-bf16` counts there
        return
    plain = optimizer_family(name) in ("adamw", "lion", "adafactor") and not any(s in name for s in SAFE_OPTIMIZERS)
    if plain and isinstance(rate.value, (int, float)) and 0 < rate.value < FINE:
        yield rate.finding(
            f"learning rate {rate.value:g} with {plan.optimizer.name.value} on a bf16 adapter: updates below 0.2 % "
            "of a weight are rounded away",
            "keep the adapter in fp32, or use an optimiser with Kahan summation",
        )
