from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KNOWN = (
    "adam",
    "adamw",
    "adam8",
    "adamw8",
    "adam8bit",
    "adamw8bit",
    "ademamix8bit",
    "lion",
    "lion8bit",
    "adagrad",
    "adafactor",
    "automagic",
    "automagic2",
    "automagic3",
    "automagicexperiment",
)
ALSO = {
    "pagedadamw8bit": "adamw8bit",
    "adamwbnb8bit": "adamw8bit",
    "bnbadamw8bit": "adamw8bit",
    "adamwfused": "adamw",
    "adamwbf16": "adamw",
    "adamwtorchfused": "adamw",
    "pagedlion8bit": "lion8bit",
    "adamw4bit": "adamw8bit",
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An optimiser name ai-toolkit does not know.

    Why: the name is compared as it is written, in lower case: `adamw_8bit` with its underscore is none of them, and
    the run stops after the model is loaded. Whatever begins with `prodigy` is plain Prodigy, whatever ends on it.
    Instead: `adamw8bit`, `adamw`, `prodigy`, `prodigy8bit`, `lion8bit`, `adafactor`, `automagic`...
    Sources: ostris/ai-toolkit@27a03a91 toolkit/optimizer.py (`get_optimizer`), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            optimizer: adamw_8bit
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1.0
            optimizer: prodigy_8bit
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
            optimizer: AdamW8bit
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    setting = plan.get("train.optimizer")
    if not isinstance(setting.value, str) or plan.kind not in ("training", "slider"):
        return
    name = setting.value.lower()
    if name in KNOWN or name.startswith("prodigy8bit") or (name.startswith("prodigy") and "8" not in name):
        return
    if name.startswith("dadaptation") and name.endswith(("lion", "adam", "dadaptation")):
        return
    plain = name.replace("_", "").replace("-", "").replace("torch.optim.", "")
    meant = plain if plain in KNOWN else ALSO.get(plain)
    if name.startswith("prodigy"):
        yield setting.finding(
            f"`{setting.value}` is trained with plain Prodigy, which keeps 32-bit states",
            "set it to `prodigy8bit`",
            setting.write("prodigy8bit", safe=False),
        )._replace(level="warning")
    else:
        yield setting.finding(
            f"ai-toolkit has no optimiser `{setting.value}`: it stops after loading the model",
            f"set it to `{meant}`" if meant else "use `adamw8bit`, `adamw`, `prodigy`, `lion8bit` or `adafactor`",
            setting.write(meant, safe=plain == meant) if meant else None,
        )
