"""What each example script of diffusers does that its options do not say.

Source: huggingface/diffusers@58eb52c0 examples/dreambooth, examples/advanced_diffusion_training,
examples/text_to_image, examples/instruct_pix2pix.
"""

from __future__ import annotations

from typing import NamedTuple

ATTENTION = ("to_k", "to_q", "to_v", "to_out.0")
_FLUX2 = (*ATTENTION, "to_qkv_mlp_proj")
_FLUX1 = (
    "attn.to_k", "attn.to_q", "attn.to_v", "attn.to_out.0", "attn.add_k_proj", "attn.add_q_proj", "attn.add_v_proj",
    "attn.to_add_out", "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj", "ff_context.net.2",
)  # fmt: skip
_SD3 = (
    "attn.add_k_proj", "attn.add_q_proj", "attn.add_v_proj", "attn.to_add_out", "attn.to_k", "attn.to_out.0",
    "attn.to_q", "attn.to_v",
)  # fmt: skip


class Script(NamedTuple):
    """One script. `family` is None where it trains what the checkpoint is (Stable Diffusion 1.x and 2.x).

    `latents`: how `--cache_latents` finds an image again: `index` (its number, always right), `step` (the step of the
    epoch, in an order drawn anew each epoch), `fixed` (the step, in an order that stays), empty without the option.
    `full_batches`: a batch that is not full is left out. `vae` and `text_encoder`: the format they are kept in whatever
    the precision is. `data`: `dreambooth`, `pairs` (image to image), `captions` (a captioned set) or `edits`.
    """

    family: str | None
    targets: tuple[str, ...] = ATTENTION
    latents: str = ""
    full_batches: bool = False
    vae: str = ""
    text_encoder: str = ""
    data: str = "dreambooth"
    full: bool = False  # trains the whole model, no adapter
    warmup_times_accumulation: bool = False  # the schedule counts micro-batches, and is stepped once an update


def _single_blocks(count: int) -> tuple[str, ...]:
    return tuple(f"single_transformer_blocks.{i}.attn.to_out" for i in range(count))


SCRIPTS = {
    "train_dreambooth_lora_flux2_klein.py": Script("flux2-klein", (*_FLUX2, *_single_blocks(24)), "index", True),
    "train_dreambooth_lora_flux2_klein_img2img.py": Script(
        "flux2-klein", (*_FLUX2, *_single_blocks(24)), "fixed", True, data="pairs"
    ),
    "train_dreambooth_lora_flux2.py": Script("flux2-dev", (*_FLUX2, *_single_blocks(48)), "index", True),
    "train_dreambooth_lora_flux2_img2img.py": Script(
        "flux2-dev", (*_FLUX2, *_single_blocks(48)), "fixed", True, data="pairs"
    ),
    "train_dreambooth_lora_sana.py": Script("sana", ("to_k", "to_q", "to_v"), "step", vae="fp32", text_encoder="bf16"),
    "train_dreambooth_lora_flux.py": Script("flux1", _FLUX1, "step"),
    "train_dreambooth_lora_flux_advanced.py": Script("flux1", _FLUX1, "step"),
    "train_dreambooth_lora_flux_kontext.py": Script("flux1", (*_FLUX1, "proj_mlp"), "step", True),
    "train_dreambooth_lora_sdxl.py": Script("sdxl", vae="fp32"),
    "train_dreambooth_lora_sdxl_advanced.py": Script("sdxl", latents="step", vae="fp32"),
    "train_text_to_image_lora_sdxl.py": Script("sdxl", data="captions", warmup_times_accumulation=True),
    "train_instruct_pix2pix_sdxl.py": Script("sdxl", data="edits", full=True, warmup_times_accumulation=True),
    "train_dreambooth_lora.py": Script(None, (*ATTENTION, "add_k_proj", "add_v_proj")),
    "train_dreambooth_lora_sd15_advanced.py": Script(None, latents="step", vae="fp32"),
    "train_text_to_image_lora.py": Script(None, data="captions"),
    "train_instruct_pix2pix.py": Script(None, data="edits", full=True),
    "train_dreambooth_lora_sd3.py": Script("sd3", _SD3, "step", vae="fp32"),
    "train_dreambooth_lora_lumina2.py": Script("lumina", latents="step"),
    "train_dreambooth_lora_hidream.py": Script("hidream", ("to_k", "to_q", "to_v", "to_out"), "step"),
    "train_dreambooth_lora_qwen_image.py": Script("qwen-image", latents="index", full_batches=True),
    "train_dreambooth_lora_z_image.py": Script("z-image", latents="fixed", full_batches=True),
}
