from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """No part of the model is switched on for training.

    Why: a part with `"train": false` gets no parameters; when nothing else trains, the optimiser is built over an empty
    list and stops. Klein's text encoder never counts, whatever its switch says.
    Instead: set `train` to true for the transformer or UNet.
    Sources: Nerogar/OneTrainer@23df3832 modules/modelSetup/BaseModelSetup.py `_create_model_part_parameters`,
    modules/modelSetup/Flux2LoRASetup.py, https://github.com/Nerogar/OneTrainer

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
      "transformer": {"train": false}
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
      "transformer": {"train": true}
    }
    ```
    """
    kind = str(plan.get("model_type").value)
    unet = kind.startswith(("STABLE_DIFFUSION_1", "STABLE_DIFFUSION_2", "STABLE_DIFFUSION_XL"))
    switch = plan.get("unet.train" if unet else "transformer.train")
    adapters = plan.get("additional_embeddings").value
    if not plan.training or kind in ("WUERSTCHEN_2", "STABLE_CASCADE_1") or plan.get("training_method").value != "LORA":
        return
    if switch.value is False and plan.train_text_encoder.value is not True and not adapters:
        yield switch.finding(
            f"`{switch.key}` is false and no text encoder is trained: there is nothing to optimise",
            "set it to true",
            switch.write(True, safe=False),
        )
