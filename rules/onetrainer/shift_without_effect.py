from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

DYNAMIC = ("FLUX_DEV_1", "FLUX_FILL_DEV_1", "FLUX_2", "QWEN", "Z_IMAGE", "ERNIE", "ANIMA", "KREA_2", "IDEOGRAM_4")
FIXED = ("STABLE_DIFFUSION_3", "STABLE_DIFFUSION_35", "SANA", "CHROMA_1", "HI_DREAM_FULL", "HUNYUAN_VIDEO")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A timestep shift that is not read.

    Why: `dynamic_timestep_shifting` takes the model's own shift for each resolution and passes over `timestep_shift`.
    SD3, SANA, Chroma and HiDream have no dynamic shift: there the switch is passed over instead.
    Instead: set one of the two.
    Sources: Nerogar/OneTrainer@23df3832 modules/modelSetup/BaseFlux2Setup.py lines 84-95 and the other setups,
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
      "timestep_shift": 3.0,
      "dynamic_timestep_shifting": true
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
      "timestep_shift": 3.0,
      "dynamic_timestep_shifting": false
    }
    ```
    """
    shift, dynamic = plan.get("timestep_shift"), plan.get("dynamic_timestep_shifting")
    kind = str(plan.get("model_type").value)
    if not plan.training or dynamic.value is not True or not isinstance(shift.value, (int, float)):
        return
    if kind in DYNAMIC and shift.written and shift.value != 1:
        yield shift.finding(
            f"`timestep_shift` {shift.value:g} is not read while `dynamic_timestep_shifting` is on",
            "set one of the two",
        )
    elif kind in FIXED:
        yield dynamic.finding(
            f"{kind} has no dynamic shift: `timestep_shift` {shift.value:g} is used",
            "switch it off and set `timestep_shift`",
            dynamic.write(False),
        )
