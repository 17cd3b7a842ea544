from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SAME = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32", "single": "fp32"}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A number format for the model alone.

    Why: `model.dtype` is overwritten with `train.dtype` before the model is loaded.
    Instead: set `train.dtype`; `model.quantize` and `model.qtype` decide how the base is stored.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py (`model_config['dtype'] =
    self.train_config.dtype`), https://github.com/ostris/ai-toolkit

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
            dtype: bf16
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
            dtype: bf16
    ```
    """
    dtype, used = plan.get("model.dtype"), plan.get("train.dtype")
    if plan.training and dtype.written and dtype.value is not None and _plain(dtype.value) != _plain(used.value):
        yield dtype.finding(
            f"`train.dtype` ({used.value}) overrules this: the model is loaded in {_plain(used.value)}",
            "set `train.dtype`",
            dtype.remove(safe=False),
        )


def _plain(dtype: object) -> str:
    return SAME.get(str(dtype), str(dtype))
