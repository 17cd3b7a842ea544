from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A LoCon for a transformer.

    Why: `locon` and `lycoris` look for the blocks of a UNet (`Transformer2DModel`, `ResnetBlock2D`...). FLUX,
    Klein, SD3 and the other transformers have none of these, so the network is empty and the run stops after
    loading the model.
    Instead: `type: lora`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/lycoris_special.py (UNET_TARGET_REPLACE_MODULE),
    toolkit/network_mixins.py ("There are not any lora modules"); https://github.com/ostris/ai-toolkit/issues/836

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          network:
            type: locon
            linear: 16
            linear_alpha: 16
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
          network:
            type: locon
            linear: 16
            linear_alpha: 16
            conv: 8
            conv_alpha: 8
          train:
            lr: 1e-4
          model:
            arch: sdxl
            name_or_path: stabilityai/stable-diffusion-xl-base-1.0
    ```
    """
    kind = plan.get("network.type")
    encoder = plan.get("train.train_text_encoder").value is True
    if (
        plan.training
        and plan.network.kind.value == "locon"
        and plan.timesteps.prediction.value == "flow"
        and not encoder
    ):
        yield kind.finding(
            f"`{kind.value}` looks for the layers of a UNet, and this model has none: the run stops after loading it",
            "use `lora`",
            kind.write("lora", safe=False),
        )
