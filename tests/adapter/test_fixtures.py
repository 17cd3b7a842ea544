"""The small files in fixtures/adapters: one of each kind that people have, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.adapter.facts import examine
from lora_doctor.adapter.judge import judge
from lora_doctor.adapter.sample import Sample, write_sample

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "adapters"
PIPE = "diffusion-pipe, or another export to ComfyUI's names"
LINEAR2 = "single_blocks.0.linear2"
SOFTWARE = {"software": '{"name": "ai-toolkit", "version": "0.12.26"}', "ss_base_model_version": "flux2_klein_4b"}
RECORDED = '{"transformer.r": 1, "transformer.lora_alpha": 4}'
ALPHA = {"lora_adapter_metadata": RECORDED, "modelspec.implementation": "diffusers"}
MUSUBI = {"ss_network_module": "networks.lora_flux_2", "ss_base_model_version": "flux_2_klein_9b"}
SDXL = {"ss_network_module": "networks.lora", "ss_base_model_version": "sdxl_base_v1-0"}
FILES = {
    # name: (sample, label, writer, rules)
    "ai-toolkit-klein-4b": (
        Sample("flux2-klein-4b", "comfyui", targets="_blocks.0.(img_attn|linear2)", rank=1, metadata=SOFTWARE),
        "flux2-klein-4b",
        "ai-toolkit",
        set(),
    ),
    "simpletuner-klein-4b-alpha-in-metadata": (
        Sample("flux2-klein-4b", targets="blocks.0.attn.to_(q|k|v|qkv_mlp_proj)$", rank=1, metadata=ALPHA),
        "flux2-klein-4b",
        "SimpleTuner",
        {"alpha-in-metadata-only"},
    ),
    "musubi-klein-9b": (
        Sample("flux2-klein-9b", "kohya", targets=LINEAR2, rank=1, alpha=1.0, metadata=MUSUBI),
        "flux2-klein-9b",
        "musubi-tuner",
        set(),
    ),
    "onetrainer-klein-4b-alpha-stops-diffusers": (
        Sample("flux2-klein-4b", "comfyui", targets=LINEAR2, rank=1, alpha=0.5),
        "flux2-klein-4b",
        PIPE,
        {"alpha-stops-diffusers"},
    ),
    "fal-klein-4b-peft-names": (
        Sample("flux2-klein-4b", "peft", targets=LINEAR2, rank=1),
        "flux2-klein-4b",
        "",
        {"names-not-recognised"},
    ),
    "simpletuner-klein-4b-lokr": (
        Sample(
            "flux2-klein-4b",
            "lycoris",
            "lokr",
            targets="single_transformer_blocks.0.attn.to_out",
            metadata={"lycoris_config": "{}"},
        ),
        "flux2-klein-4b",
        "SimpleTuner",
        set(),
    ),
    "sd-scripts-sdxl": (
        Sample("sdxl", "kohya", targets="middle_block.1.transformer_blocks.0.attn", rank=1, alpha=1.0, metadata=SDXL),
        "sdxl",
        "sd-scripts",
        set(),
    ),
    "diffusers-sana-1.6b": (
        Sample("sana-1.6b", targets=r"blocks\.0\.attn\d\.to_[qkv]|blocks.0.ff.conv_point", rank=1),
        "",
        "",
        {"no-comfyui-for-sana"},
    ),
    "klein-4b-all-zero": (
        Sample("flux2-klein-4b", "comfyui", targets=LINEAR2, rank=1, dead=""),
        "flux2-klein-4b",
        PIPE,
        set(),
    ),
    "klein-4b-not-a-number": (
        Sample("flux2-klein-4b", "comfyui", targets="single_blocks.[01].linear2", rank=1, nan="blocks.1"),
        "flux2-klein-4b",
        PIPE,
        set(),
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_fixture(name: str, tmp_path: Path) -> None:
    sample, label, writer, rules = FILES[name]
    path = FOLDER / f"{name}.safetensors"
    assert path.read_bytes() == write_sample(tmp_path / "again.safetensors", sample).read_bytes()
    adapter = examine(path)
    assert (adapter.identity.label, adapter.writer) == (label, writer)
    assert {found.rule.id for found in judge([adapter])[0]} == rules


def test_damaged_fixtures() -> None:
    from lora_doctor.adapter.read import AdapterError

    names = sorted(p.name for p in (FOLDER / "damaged").iterdir())
    assert names == ["a-pickle.safetensors", "a-web-page.safetensors", "truncated.safetensors"]
    for name in names:
        with pytest.raises(AdapterError):
            examine(FOLDER / "damaged" / name)


if __name__ == "__main__":  # python -m tests.adapter.test_fixtures writes the files again
    for stem, (sample, *_) in FILES.items():
        write_sample(FOLDER / f"{stem}.safetensors", sample)
    (FOLDER / "damaged").mkdir(exist_ok=True)
    whole = (FOLDER / "sd-scripts-sdxl.safetensors").read_bytes()
    (FOLDER / "damaged" / "truncated.safetensors").write_bytes(whole[: len(whole) // 2])
    (FOLDER / "damaged" / "a-pickle.safetensors").write_bytes(b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.")
    (FOLDER / "damaged" / "a-web-page.safetensors").write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
