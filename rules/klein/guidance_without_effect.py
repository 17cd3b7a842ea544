from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A training guidance value on Klein, which has no guidance embedding.

    Why: FLUX.1-dev and FLUX.2-dev take a distilled guidance value as an input; Klein does not, so the trainers pass
    nothing or force 1.0. The setting is harmless and does nothing.
    Instead: remove it; the guidance of sample images (CFG) is another setting and does count.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/train_dreambooth_lora_flux2_klein.py line 1857
    (`guidance_embeds`); bghira/SimpleTuner documentation/quickstart/FLUX2.md

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \\
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" \\
      --resolution=1024 --text_encoder_out_layers 9 18 27 --guidance_scale=3.5
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \\
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \\
      --instance_data_dir=data/zwx --output_dir=out --instance_prompt="a photo of zwx" \\
      --resolution=1024 --text_encoder_out_layers 9 18 27
    ```
    """
    guidance = plan.timesteps.guidance
    if plan.training and guidance.written and guidance.value is not None:
        yield guidance.finding(
            f"guidance {guidance.value} while training: Klein has no guidance embedding, so it does nothing",
            "remove it",
            guidance.remove(),
        )
