from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A loss weight that this kind of model doesn't have.

    Why: flow models know CONSTANT and SIGMA, diffusion models CONSTANT, MIN_SNR_GAMMA, DEBIASED_ESTIMATION and P2;
    another one ends in a NotImplementedError at the first step, after caching.
    Instead: `CONSTANT`.
    Sources: Nerogar/OneTrainer@23df3832 modules/modelSetup/mixin/ModelSetupDiffusionLossMixin.py lines 292-341,
    https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "loss_weight_fn": "MIN_SNR_GAMMA"
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "loss_weight_fn": "SIGMA"
    }
    ```
    """
    setting, flow = plan.get("loss_weight_fn"), plan.timesteps.prediction.value == "flow"
    kind = str(plan.get("model_type").value)
    diffusion = kind.startswith(("STABLE_DIFFUSION_1", "STABLE_DIFFUSION_2", "STABLE_DIFFUSION_XL"))
    wrong = setting.value in ("MIN_SNR_GAMMA", "DEBIASED_ESTIMATION", "P2") if flow else setting.value == "SIGMA"
    if plan.training and wrong and (flow or diffusion):
        yield setting.finding(
            f"`loss_weight_fn` {setting.value} does not exist for {'flow' if flow else 'diffusion'} models: the run "
            "stops at its first step",
            "set it to CONSTANT",
            setting.write("CONSTANT", safe=False),
        )
