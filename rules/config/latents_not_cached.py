from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Latents are not cached, so the VAE encodes every image again at every step.

    Why: the VAE stays on the GPU for the whole run (2 to 4 GB with SANA's DC-AE) and each image is encoded as often as
    it is shown. Random crops and flips need it; nothing else does.
    Instead: cache latents. In the diffusers scripts beware of the ones that then mix up captions: see the rule on
    cached latents there.
    Sources: huggingface/diffusers@58eb52c0 examples/dreambooth/README_sana.md; train_dreambooth_lora_sana.py line 1274
    (with `--validation_prompt` the VAE stays all the same)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"
    [memory]
    cache_latents = false
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"
    [memory]
    cache_latents = true
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --dataset_name=zwx/rings --caption_column=text --instance_prompt="a zwx ring" \
      --output_dir=out --rank=16 --lora_alpha=16 --max_train_steps=1000
    ```
    """
    cached = plan.cache_latents
    several = isinstance(plan.processes.value, int) and plan.processes.value > 1
    if plan.trainer == "diffusers" and (several or plan.config.has("caption_column")):
        return  # there the scripts read their caches in another order than the captions
    if plan.training and cached.value is False and cached.place is not None and plan.model.family is not None:
        yield cached.finding(
            "latents are not cached: the VAE stays on the GPU and encodes each image as often as it is shown",
            f"take out `{cached.key}`" if "disable" in cached.key else f"set `{cached.key}`",
            cached.write(True, safe=False),
        )
