from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """LoKr with `lora_rank`, which it doesn't read.

    Why: LoKr takes its rank from `lokr_dim`, 16 unless set; OFT has a block size instead.
    Instead: set `lokr_dim`.
    Sources: Nerogar/OneTrainer@23df3832 modules/module/LoRAModule.py `LoRAModuleWrapper.__init__`,
    https://github.com/Nerogar/OneTrainer

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 64,
      "lora_alpha": 16,
      "epochs": 60,
      "peft_type": "LOKR"
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
      "lora_alpha": 16,
      "epochs": 60,
      "peft_type": "LOKR",
      "lokr_dim": 64
    }
    ```
    """
    peft, rank, dim = plan.get("peft_type").value, plan.get("lora_rank"), plan.get("lokr_dim")
    is_lokr = plan.get("training_method").value == "LORA" and peft == "LOKR"
    if plan.training and is_lokr and rank.written and not dim.written:
        yield rank.finding(
            f"LoKr does not read `lora_rank`: its rank is `lokr_dim`, {dim.value}",
            f"set `lokr_dim` to {rank.value}",
            rank.call("lokr_dim", safe=False),
        )
