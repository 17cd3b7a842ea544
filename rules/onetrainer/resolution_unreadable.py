from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A resolution that OneTrainer can't read.

    Why: it is text: one edge (`1024`), several separated by commas (`512,768`), or one fixed shape (`832x1216`).
    Anything else ends in a ValueError when the images are listed; a shape also does when `aspect_ratio_bucketing` is
    off.
    Instead: write it in one of the three ways.
    Sources: Nerogar/mgds@3a6994a AspectBucketing.py, SingleAspectCalculation.py, https://github.com/Nerogar/mgds

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
      "resolution": "512;768"
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
      "resolution": "512,768"
    }
    ```
    """
    setting, buckets = plan.get("resolution"), plan.get("aspect_ratio_bucketing").value
    text = str(setting.value)
    if not plan.training or not setting.written:
        return
    shape = "x" in text and "," not in text
    words = [word.strip() for word in text.split("x" if shape else ",")]
    if not all(word.isdigit() for word in words) or (shape and len(words) != 2):
        yield setting.finding(
            f"`resolution` {text!r} can't be read: OneTrainer stops when it lists the images",
            "write `1024`, `512,768` or `832x1216`",
        )
    elif shape and buckets is False:
        yield setting.finding(
            f"`resolution` {text!r} is a shape, which is read only with `aspect_ratio_bucketing`: a ValueError",
            "write one edge, or switch the bucketing on",
        )
