from collections.abc import Iterator

from lora_doctor.derived import coverage
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A target module that this model does not have.

    Why: module names differ between models and between namings of one model (FLUX.1's `ff.net.0.proj` is
    `ff.linear_in` in FLUX.2; `double_blocks...` exists in the original naming only). If nothing matches the trainer
    stops after loading the model; if another target matches, the missing one is passed over in silence.
    Instead: use the names of this model; `lora-doctor plan` prints what the targets reach.
    Sources: module tables measured on the real architectures (diffusers 0.42.1); ostris/ai-toolkit#836,
    https://github.com/ostris/ai-toolkit/issues/836; bmaltais/kohya_ss#809

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    targets = ["attn.to_q", "to_qkv_mlp_proj", "ff.net.0.proj"]
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    targets = ["attn.to_q", "to_qkv_mlp_proj", "ff.linear_in"]
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_diffusers"
    [adapter]
    targets = "attention"
    ```
    """
    targets = plan.network.targets
    reached = coverage(plan) if targets.written else None
    if reached is None:
        return
    family = plan.model.family
    if reached.matched_modules == 0:
        yield targets.finding(
            f"these targets match no module of {family}: no adapter is made and the trainer stops after loading",
            "use this model's module names",
        )
    elif reached.unmatched:
        names = ", ".join(f"`{name}`" for name in reached.unmatched[:4])
        yield targets.finding(
            f"{names} match{'es' if len(reached.unmatched) == 1 else ''} no module of {family} and "
            f"{'is' if len(reached.unmatched) == 1 else 'are'} passed over in silence",
            "use this model's module names",
        )
