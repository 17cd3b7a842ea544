from collections.abc import Iterator

from lora_doctor.models.families import size_of
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No number format is set, so the model is loaded in fp32.

    Why: `train.dtype` is `fp32` unless set, and it overrules `model.dtype`: the base model takes four bytes a
    weight and every step computes in fp32, which is slow where it fits at all.
    Instead: `dtype: bf16`; the adapter itself stays in fp32 either way.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (TrainConfig), jobs/process/BaseSDTrainProcess.py
    (`model_config['dtype']`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
            dtype: bf16
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    dtype, size = plan.get("train.dtype"), size_of(plan.model.family, plan.model.size)
    if not plan.training or dtype.written or plan.model.family in ("sd15", "sd2"):
        return
    room = f": {size.parameters * 4 / 1e9:.0f} GB for the base model" if size and size.parameters else ""
    yield dtype.finding(
        f"no `dtype` is set and ai-toolkit takes fp32{room}", "set it to `bf16`", dtype.write("bf16", safe=False)
    )
