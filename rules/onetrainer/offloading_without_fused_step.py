from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

CAN = (
    "ADAFACTOR", "CAME", "CAME_8BIT", "ADAM", "ADAMW", "ADAMW_ADV", "ADOPT_ADV", "PRODIGY_PLUS_SCHEDULE_FREE",
    "PRODIGY_ADV", "LION_ADV", "MUON_ADV", "ADAMUON_ADV", "SIGNSGD_ADV",
)  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Layer offloading in a full fine-tune without `fused_back_pass`.

    Why: offloaded weights leave the card during the backward pass, so each must be updated inside it. OneTrainer stops
    when it builds the optimiser, after loading the model.
    Instead: an optimiser that can do that (ADAFACTOR, ADAMW, CAME...) with `fused_back_pass`, or no offloading.
    Sources: Nerogar/OneTrainer@23df3832 modules/util/create.py lines 140-144, modules/util/enum/Optimizer.py
    `supports_fused_back_pass`, https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "FINE_TUNE",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "transformer": {"offload_fraction": 0.7}
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "FINE_TUNE",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "transformer": {"offload_fraction": 0.7},
      "optimizer": {"optimizer": "ADAFACTOR", "fused_back_pass": true}
    }
    ```
    """
    fused, name = plan.get("optimizer.fused_back_pass"), str(plan.get("optimizer.optimizer").value)
    if not plan.training or plan.get("training_method").value != "FINE_TUNE" or (fused.value is True and name in CAN):
        return
    if plan.launch is None and plan.get(f"optimizer_defaults.{name}.fused_back_pass").value is True:
        return  # the user interface takes these over when it loads the file; the command line does not
    for part in ("transformer", "unet", "prior"):
        share, train = plan.get(f"{part}.offload_fraction"), plan.get(f"{part}.train")
        if share.written and isinstance(share.value, (int, float)) and share.value > 0 and train.value:
            yield share.finding(
                f"`{share.key}` {share.value:g} needs an optimiser with `fused_back_pass`: the run stops after loading",
                "set `optimizer.fused_back_pass`" if name in CAN else "use ADAFACTOR or ADAMW with `fused_back_pass`",
            )
