"""Converted files in the real pipelines of diffusers: no missing key, no unexpected key, the right scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.adapter.facts import Adapter, examine

from .samples import made

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch", reason="needs torch and diffusers: pip install 'lora-doctor[train]'")
pytest.importorskip("ml_dtypes", reason="conversions need the data extra: pip install 'lora-doctor[data]'")

TINY = {
    "patch_size": 1, "in_channels": 16, "num_layers": 1, "num_single_layers": 2, "attention_head_dim": 8,
    "num_attention_heads": 4, "joint_attention_dim": 24, "timestep_guidance_channels": 16, "guidance_embeds": False,
    "axes_dims_rope": (2, 2, 2, 2),
}  # fmt: skip
KLEIN = {
    "flux2-klein-4b": (5, 20, 24, 7680),  # double blocks, single blocks, heads, text width
    "flux2-klein-9b": (8, 24, 32, 12288),
}
SIZES = ("num_layers", "num_single_layers", "num_attention_heads", "joint_attention_dim")
FULL = {
    "patch_size": 1, "in_channels": 128, "attention_head_dim": 128, "timestep_guidance_channels": 256,
    "axes_dims_rope": (32, 32, 32, 32), "guidance_embeds": False,
}  # fmt: skip


def convert(adapter: Adapter, target: str, out: Path) -> Path:
    from lora_doctor.adapter.convert import convert as write

    write(adapter, target, out)
    return out


def loaded(mixin: Any, component: str, model: Any, path: Path) -> dict[str, tuple[Any, Any, float]]:
    """Load a file as the pipeline does; B, A and scale by layer. A missing or unexpected key fails."""
    state, *_, metadata = mixin.lora_state_dict(str(path), return_lora_metadata=True)
    own = {k.removeprefix(f"{component}."): v for k, v in state.items() if k.startswith(f"{component}.")}
    assert len(own) == len(state), "keys of no component"
    config = component_of(metadata, component)
    model.load_lora_adapter(own, prefix=None, metadata=config, adapter_name="default", low_cpu_mem_usage=True)
    found = {}
    for name, module in model.named_modules():
        if hasattr(module, "lora_A") and "default" in module.lora_A:
            up, down = module.lora_B["default"].weight, module.lora_A["default"].weight
            found[name] = (up, down, module.scaling["default"])
    assert {f"{n}.lora_{x}.weight" for n in found for x in "AB"} == set(own)
    for name, (up, down, _) in found.items():
        for letter, weight in (("A", down), ("B", up)):
            saved = own[f"{name}.lora_{letter}.weight"]
            assert weight.shape == saved.shape, name
            assert weight.is_meta or torch.equal(weight.float(), saved.float()), name
    return found


def component_of(metadata: dict[str, Any] | None, component: str) -> dict[str, Any] | None:
    own = {k.removeprefix(f"{component}."): v for k, v in (metadata or {}).items() if k.startswith(f"{component}.")}
    return own or None


def meta(kind: str, config: dict[str, Any]) -> Any:
    import diffusers

    with torch.device("meta"):
        return getattr(diffusers, kind)(**config)


@pytest.mark.parametrize("model", KLEIN)
@pytest.mark.parametrize("start", ["comfyui", "kohya"])
def test_klein_at_full_shape(tmp_path: Path, model: str, start: str) -> None:
    from diffusers.loaders import Flux2LoraLoaderMixin

    adapter = made(tmp_path, model=model, format=start, rank=1, alpha=0.5 if start == "kohya" else None)
    path = convert(adapter, "diffusers", tmp_path / "out.safetensors")
    config = {**FULL, **dict(zip(SIZES, KLEIN[model]))}
    found = loaded(Flux2LoraLoaderMixin, "transformer", meta("Flux2Transformer2DModel", config), path)
    assert len(found) == {"flux2-klein-4b": 109, "flux2-klein-9b": 153}[model]
    assert {scale for _, _, scale in found.values()} == {0.5 if start == "kohya" else 1.0}


def test_flux1_at_full_shape(tmp_path: Path) -> None:
    from diffusers.loaders import FluxLoraLoaderMixin

    adapter = made(tmp_path, model="flux1-dev", format="kohya", rank=1, alpha=0.25, targets=r"blocks\.\d\.|final_layer")
    path = convert(adapter, "diffusers", tmp_path / "out.safetensors")
    found = loaded(FluxLoraLoaderMixin, "transformer", meta("FluxTransformer2DModel", {"guidance_embeds": True}), path)
    assert "proj_out" in found
    assert {scale for _, _, scale in found.values()} == {0.25}


def test_sana_at_full_shape(tmp_path: Path) -> None:
    from diffusers.loaders import SanaLoraLoaderMixin

    config = {"num_layers": 20, "num_attention_heads": 70, "num_cross_attention_heads": 20, "cross_attention_dim": 2240}
    adapter = made(tmp_path, model="sana-1.6b", format="comfyui", rank=2)
    path = convert(adapter, "diffusers", tmp_path / "out.safetensors")
    found = loaded(SanaLoraLoaderMixin, "transformer", meta("SanaTransformer2DModel", config), path)
    assert len(found) == 207


def test_sdxl_at_full_shape(tmp_path: Path) -> None:
    from diffusers.loaders import StableDiffusionXLLoraLoaderMixin

    config = {
        "sample_size": 128, "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 2048, "attention_head_dim": (5, 10, 20), "transformer_layers_per_block": (1, 2, 10),
        "use_linear_projection": True, "addition_embed_type": "text_time", "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }  # fmt: skip
    adapter = made(tmp_path, model="sdxl", format="kohya", rank=2, alpha=1.0)
    path = convert(adapter, "diffusers", tmp_path / "out.safetensors")
    found = loaded(StableDiffusionXLLoraLoaderMixin, "unet", meta("UNet2DConditionModel", config), path)
    assert len(found) == 794
    assert {scale for _, _, scale in found.values()} == {0.5}


def trained(seed: int, rank: int = 2, alpha: float = 4.0) -> tuple[Any, dict[str, Any]]:
    """A tiny Klein transformer with a LoRA on every Linear, B not zero, and the LoRA's state as diffusers saves it."""
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(seed)
    from diffusers import Flux2Transformer2DModel

    model = Flux2Transformer2DModel(**TINY)
    targets = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    model.add_adapter(LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, init_lora_weights=False))
    return model, get_peft_model_state_dict(model)


def output(model: Any) -> Any:
    torch.manual_seed(0)
    ids, text_ids = torch.zeros(1, 6, 4), torch.zeros(1, 3, 4)
    with torch.no_grad():
        return model(
            hidden_states=torch.randn(1, 6, 16),
            encoder_hidden_states=torch.randn(1, 3, 24),
            timestep=torch.tensor([0.5]),
            img_ids=ids,
            txt_ids=text_ids,
            guidance=None,
            return_dict=False,
        )[0]


@pytest.mark.parametrize("way", [("comfyui", "diffusers"), ("kohya", "comfyui", "diffusers"), ("diffusers",)])
def test_tiny_klein_draws_the_same(tmp_path: Path, way: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    """Out to the other spellings and back into the pipeline: the same output as the adapter that was saved."""
    from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel
    from diffusers.utils import logging
    from safetensors.torch import save_file

    model, state = trained(1)
    meant = output(model)
    path = tmp_path / "0.safetensors"
    recorded = json.dumps({"transformer.r": 2, "transformer.lora_alpha": 4})
    save_file({f"transformer.{k}": v for k, v in state.items()}, path, {"lora_adapter_metadata": recorded})
    for step, target in enumerate(way):
        path = convert(examine(path), target, tmp_path / f"{step + 1}.safetensors")
    torch.manual_seed(1)
    fresh = Flux2Transformer2DModel(**TINY)
    base = output(fresh)
    pipe = Flux2KleinPipeline(scheduler=None, vae=None, text_encoder=None, tokenizer=None, transformer=fresh)
    logging.enable_propagation()
    pipe.load_lora_weights(str(path))
    logging.disable_propagation()
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == []
    scales = {m.scaling["default_0"] for m in fresh.modules() if hasattr(m, "scaling")}
    assert scales == {2.0}
    assert torch.allclose(output(fresh), meant, atol=1e-5)
    assert not torch.allclose(base, meant, atol=1e-3)
