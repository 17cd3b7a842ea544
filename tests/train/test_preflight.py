"""Bad input is told in one sentence that names the key, before any weight is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.train.job import (
    Adapter,
    Data,
    Job,
    Memory,
    Model,
    Optimizer,
    Precision,
    Saving,
    Timesteps,
    Training,
    Validation,
)
from lora_doctor.train.preflight import Preflight, preflight
from lora_doctor.train.targets import UnfitError

FAMILIES = ("flux2-klein", "sana", "sdxl")


@pytest.fixture
def folders(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Path]:
    return dict(zip(FAMILIES, (klein_folder, sana_folder, sdxl_folder)))


def job(folder: Path, family: str = "flux2-klein", **parts: Any) -> Job:
    data = (Data(folder, (), resolution=(64,)),)
    made = Job(Path("out"), Model(folder, family), data, Training(1), adapter=Adapter(rank=4, alpha=4))
    return made._replace(**parts)


def refusal(made: Job) -> str:
    with pytest.raises(UnfitError) as caught:
        preflight(made)
    assert "\n" not in caught.value.sentence
    assert caught.value.sentence.startswith(f"`{caught.value.key}`")
    return caught.value.sentence


def edit(path: Path, change: Callable[[Any], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def copy(klein_folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(klein_folder, tmp_path / "klein")
    return tmp_path / "klein"


def test_sound_folders_pass(folders: dict[str, Path]) -> None:
    found = {family: preflight(job(folder, family)) for family, folder in folders.items()}
    assert {family: each.divisor for family, each in found.items()} == {"flux2-klein": 8, "sana": 4, "sdxl": 8}
    assert found["flux2-klein"].coverage.weights_share == 1
    assert found["flux2-klein"].coverage.blocks_reached == 3


def test_preflight_and_injection_reach_the_same(folders: dict[str, Path]) -> None:
    from lora_doctor.train.adapters import inject
    from lora_doctor.train.loading import load_folder

    for family, folder in folders.items():
        for targets in ("all-linear", "attention", "blocks", "seed"):
            adapter = Adapter(rank=2, alpha=2, targets=targets)
            before: Preflight = preflight(job(folder, family, adapter=adapter))
            module, models = load_folder(folder)
            after = inject(module, models, adapter)[module.DENOISER]
            assert {m.name for m in after.modules} == {m.name for m in before.coverage.modules}
            assert before.weights == sum(p.numel() for n, p in models.denoiser.named_parameters() if ".lora_" not in n)


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, lora_doctor.train.preflight; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_missing_and_wrong_folders(tmp_path: Path, klein_folder: Path) -> None:
    assert "does not exist" in refusal(job(tmp_path / "nowhere"))
    assert "holds no model" in refusal(job(tmp_path))
    assert "no model_index.json" in refusal(job(klein_folder / "transformer"))
    assert "is FLUX.2 Klein" in refusal(job(klein_folder, "sdxl"))
    (tmp_path / "model_index.json").write_text('{"_class_name": "PixArtSigmaPipeline"}')
    assert "lora-doctor trains FLUX.2 Klein, SANA and SDXL" in refusal(job(tmp_path))


def test_another_pipeline_of_the_family(sana_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(sana_folder, tmp_path / "sana")
    edit(tmp_path / "sana" / "model_index.json", lambda c: c.update(_class_name="SanaSprintPipeline"))
    assert "SanaSprintPipeline (Sprint), not SANA's" in refusal(job(tmp_path / "sana", "sana"))


def test_missing_parts(copy: Path) -> None:
    weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    assert "pickle (.bin), which is never unpickled" in refusal(job(copy))
    (weights.with_suffix(".bin")).unlink()
    assert "holds no weights (.safetensors)" in refusal(job(copy))
    shutil.rmtree(copy / "vae")
    assert "has no folder vae" in refusal(job(copy))
    edit(copy / "model_index.json", lambda c: c.pop("vae"))
    assert "names no vae" in refusal(job(copy))


def test_truncated_and_incomplete_weights(copy: Path) -> None:
    folder = copy / "transformer"
    whole = folder / "diffusion_pytorch_model.safetensors"
    content = whole.read_bytes()
    whole.write_bytes(content[:-100])
    assert "is truncated" in refusal(job(copy))
    whole.unlink()
    index = {"weight_map": {"a.weight": "diffusion_pytorch_model-00001-of-00002.safetensors"}}
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps(index))
    assert "lacks 1 of its files, diffusion_pytorch_model-00001-of-00002.safetensors" in refusal(job(copy))


def test_the_other_klein_encoder(copy: Path, tmp_path: Path) -> None:
    from .tiny import make_klein

    other = make_klein(tmp_path / "wide", width=64) / "text_encoder"
    made = job(copy)
    sentence = refusal(made._replace(model=made.model._replace(text_encoder=other)))
    assert sentence == "`model.text_encoder`: the text encoder makes prompts 96 wide, the denoiser takes 48"
    # the same with the real models' numbers
    edit(copy / "transformer" / "config.json", lambda c: c.update(joint_attention_dim=12288))
    edit(copy / "text_encoder" / "config.json", lambda c: c.update(hidden_size=2560, num_hidden_layers=36))
    (copy / "lora_doctor.json").unlink()
    assert refusal(job(copy)) == (
        "`model.path`: the text encoder Qwen3 4B makes prompts 7680 wide, "
        "FLUX.2 Klein 9B takes 12288: it needs Qwen3 8B"
    )


def test_a_shallow_encoder(copy: Path) -> None:
    (copy / "lora_doctor.json").unlink()
    assert "the text encoder has 4 layers, Klein reads layer 27" in refusal(job(copy))


def test_another_vae(copy: Path, sdxl_folder: Path) -> None:
    edit(copy / "vae" / "config.json", lambda c: c.update(latent_channels=32))
    assert "the VAE makes 128 channels of latents, the denoiser takes 16" in refusal(job(copy))


@pytest.mark.parametrize(
    "adapter, sentence",
    [
        (Adapter(targets=("double_blocks",)), "'double_blocks' matches no layer of the model; its layers are"),
        (Adapter(targets=("to_q", "q_proj")), "'q_proj' matches no layer"),
        (Adapter(targets="attention", exclude=("to_q", "to_k", "to_v", "to_out.0", "attn.to_out", "to_qkv_mlp_proj",
                 "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")), "after `adapter.exclude`"),
        (Adapter(targets=".*(", rank=2), "is not a regular expression"),
        (Adapter(rank_pattern={"to_z": 4}), "`adapter.rank_pattern`: 'to_z' matches none of the 25 layers trained"),
        (Adapter(kind="lokr", dropout=0.1), "a lokr has no dropout"),
        (Adapter(kind="loha", rslora=True), "a loha is scaled by alpha / rank alone"),
        (Adapter(start_from=Path("/nowhere.safetensors")), "/nowhere.safetensors does not exist"),
        (Adapter(kind="loha", text_encoder=True), "nothing loads a text encoder's loha for FLUX.2 Klein"),
    ],
)  # fmt: skip
def test_adapters_that_can_not_be(klein_folder: Path, adapter: Adapter, sentence: str) -> None:
    assert sentence in refusal(job(klein_folder, adapter=adapter))


def test_depthwise_convolutions_take_no_adapter(sana_folder: Path) -> None:
    sentence = refusal(job(sana_folder, "sana", adapter=Adapter(targets=("conv_depth",))))
    assert "conv_depth is a depthwise convolution" in sentence
    assert preflight(job(sana_folder, "sana", adapter=Adapter(targets=("conv_point",)))).coverage.matched_modules == 2


@pytest.mark.parametrize(
    "parts, sentence",
    [
        ({"data": (Data(Path("images"), (), resolution=(64, 100)),)},
         "`data.0.resolution`: 100 px is no multiple of 8, which this model needs: 96 or 104"),
        ({"validation": Validation(size=(64, 60))}, "`validation.size`: 60 px"),
        ({"precision": Precision(base="fp8"), "memory": Memory(gradient_checkpointing=False)},
         "`precision.base`: fp8 saves nothing"),
        ({"memory": Memory(blocks_to_swap=4)}, "`memory.blocks_to_swap`: 4, and the model has 3 blocks"),
        ({"memory": Memory(blocks_to_swap=1, gradient_checkpointing=False)}, "swapping saves nothing"),
        ({"timesteps": Timesteps(min_snr_gamma=5.0)}, "`timesteps.min_snr_gamma`: FLUX.2 Klein is trained by flow"),
        ({"precision": Precision(base="nf4")}, "nf4 needs bitsandbytes"),
    ],
)  # fmt: skip
def test_settings_that_can_not_be_honoured(
    klein_folder: Path, parts: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    assert sentence in refusal(job(klein_folder, **parts))


def test_zero_terminal_snr_needs_velocity(sdxl_folder: Path) -> None:
    wanted = Timesteps(zero_terminal_snr=True)
    assert "this model predicts epsilon" in refusal(job(sdxl_folder, "sdxl", timesteps=wanted))
    preflight(job(sdxl_folder, "sdxl", timesteps=wanted._replace(prediction="v")))


def test_the_real_unet_has_seventy_blocks(sdxl_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(sdxl_folder, tmp_path / "sdxl")
    real = {
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 2, "transformer_layers_per_block": [1, 2, 10],
    }  # fmt: skip
    edit(tmp_path / "sdxl" / "unet" / "config.json", lambda c: c.update(real))
    swapped = job(tmp_path / "sdxl", "sdxl", memory=Memory(blocks_to_swap=71))
    assert "71, and the model has 70 blocks" in refusal(swapped)


def test_the_sentence_says_where_the_value_stands(klein_folder: Path) -> None:
    reasons = {"adapter.targets": "run.toml line 7", "buckets.resolution": "--resolution"}
    made = job(klein_folder, adapter=Adapter(targets=("q",)), reasons=reasons)
    assert refusal(made).startswith("`adapter.targets` (run.toml line 7): 'q' matches no layer")
    made = job(klein_folder, data=(Data(Path("images"), (), resolution=(60,)),), reasons=reasons)
    assert refusal(made).startswith("`data.0.resolution` (--resolution): 60 px is no multiple of 8")


def test_a_disk_without_room_for_a_checkpoint_is_told_first(
    klein_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: little)
    made = job(klein_folder)._replace(output=tmp_path / "run")
    with pytest.raises(UnfitError, match=r"`output`: a checkpoint takes 0\.\d MB, and the disk of .* 0\.0 MB left"):
        preflight(made)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"optimizer": Optimizer(learning_rate=float("nan"))}, "`optimizer.learning_rate`: nan is no number"),
        ({"optimizer": Optimizer(betas=(0.9, 2.0))}, "`optimizer.betas`: [0.9, 2.0] should be two numbers"),
        ({"adapter": Adapter(alpha=0)}, "`adapter.alpha`: 0 scales what is learned by nothing"),
        ({"adapter": Adapter(alpha_pattern={"to_q": 0})}, "`adapter.alpha_pattern.to_q`: 0 scales"),
        ({"validation": Validation(size=(64,))}, "`validation.size`: [64] should be width and height"),  # type: ignore[arg-type]
        ({"validation": Validation(strengths=("a",))}, "`validation.strengths`: ['a'] should be numbers"),  # type: ignore[arg-type]
        ({"timesteps": Timesteps(shift=-3)}, "`timesteps.shift`: -3 should be above 0"),
        ({"saving": Saving(formats=("a1111",))}, "`saving.formats`: 'a1111' is none of diffusers"),
        ({"output": Path("images") / "run"}, "lies in the image folder images"),
        ({"output": Path("images")}, "is the image folder images"),
        ({"data": (Data(Path("images"), (), repeats=0, resolution=(64,)),)}, "`data.0.repeats`: 0 leaves the folder"),
        ({"data": (Data(Path("images"), (), resolution=(99999,)),)}, "99999 px is more than any model draws"),
        ({"data": (Data(Path("images"), (), captions="prompt", resolution=(64,)),)}, "is the caption of every image"),
    ],
)
def test_values_no_run_can_be_made_with(klein_folder: Path, change: dict[str, Any], sentence: str) -> None:
    images = (Data(Path("images"), (), resolution=(64,)),)
    assert sentence in refusal(job(klein_folder, **{"data": images, **change}))
