"""A Klein transformer as Black Forest Labs and ComfyUI store it, beside the folder that has the rest."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lora_doctor.source.document import SourceError
from lora_doctor.train.families import collate
from lora_doctor.train.job import Data, Job, Memory, Model, Precision, Training
from lora_doctor.train.loading import load
from lora_doctor.train.local import folder_of
from lora_doctor.train.preflight import preflight
from lora_doctor.train.targets import UnfitError

ONE = {
    "x_embedder": "img_in", "context_embedder": "txt_in", "proj_out": "final_layer.linear",
    "time_guidance_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_guidance_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "attn.to_out.0": "img_attn.proj", "attn.to_add_out": "txt_attn.proj",
    "ff.linear_in": "img_mlp.0", "ff.linear_out": "img_mlp.2",
    "ff_context.linear_in": "txt_mlp.0", "ff_context.linear_out": "txt_mlp.2",
    "attn.to_qkv_mlp_proj": "linear1", "attn.to_out": "linear2",
}  # fmt: skip
PLAIN = Memory(gradient_checkpointing=False)
NORMS = {"q": "query_norm", "k": "key_norm"}


def native(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """diffusers' names as Black Forest Labs spell them, query, key and value in one, shift before scale."""
    made: dict[str, torch.Tensor] = {}
    fused: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        stem = name.removesuffix(".weight")
        block = re.match(r"(single_)?transformer_blocks\.(\d+)\.(.*)", stem)
        place = f"{'single' if block[1] else 'double'}_blocks.{block[2]}." if block else ""
        inner = block[3] if block else stem
        if norm := re.fullmatch(r"attn\.norm_(added_)?([qk])", inner):
            side = "" if block and block[1] else "txt_attn." if norm[1] else "img_attn."
            made[f"{place}{side}norm.{NORMS[norm[2]]}.scale"] = value
        elif part := re.fullmatch(r"attn\.(?:to_([qkv])|add_([qkv])_proj)", inner):
            fused.setdefault(f"{place}{'img' if part[1] else 'txt'}_attn.qkv.weight", {})[part[1] or part[2]] = value
        elif stem == "norm_out.linear":
            made["final_layer.adaLN_modulation.1.weight"] = torch.cat(value.chunk(2)[::-1])
        elif stem.endswith(("modulation_img.linear", "modulation_txt.linear", "modulation.linear")):
            made[f"{stem.removesuffix('ear')}.weight"] = value
        else:
            made[f"{place}{ONE[inner]}.weight"] = value
    return made | {name: torch.cat([each[k] for k in "qkv"]) for name, each in fused.items()}


@pytest.fixture
def single(klein_folder: Path, tmp_path: Path) -> Path:
    """The folder's own transformer, every weight a little larger."""
    (stored,) = (klein_folder / "transformer").glob("*.safetensors")
    path = tmp_path / "klein.safetensors"
    save_file({k: (v * 1.01).contiguous() for k, v in native(load_file(stored)).items()}, path)
    return path


def job(folder: Path, file: Path | None, **changes: Any) -> Job:
    model = Model(folder, "flux2-klein", transformer=file)
    data = (Data(folder, (), resolution=(64,)),)
    run, exact = folder.with_name("run"), Precision("fp32", "fp32", "fp32")
    return Job(run, model, data, Training(1), precision=exact, memory=PLAIN, **changes)


def prediction(made: Job) -> torch.Tensor:
    family, models = load(made, "cpu")
    if made.model.transformer is None:
        with torch.no_grad():
            for weight in models.denoiser.parameters():
                weight.mul_(1.01)
    latents = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    prompts = collate([{"prompt_embeds": torch.ones(4, models.denoiser.config.joint_attention_dim)}])
    return family.predict(models, latents, torch.tensor([0.5]), prompts).detach()


def test_the_file_is_what_is_trained(klein_folder: Path, single: Path) -> None:
    assert preflight(job(klein_folder, single)).coverage == preflight(job(klein_folder, None)).coverage
    torch.testing.assert_close(prediction(job(klein_folder, single)), prediction(job(klein_folder, None)))


def test_files_that_do_not_fit_are_told_before_loading(klein_folder: Path, sdxl_folder: Path, single: Path) -> None:
    whole = load_file(single)
    save_file({k: v for k, v in whole.items() if "double_blocks" not in k}, single)
    with pytest.raises(UnfitError, match=r"`model.transformer`: .* holds [\d,]+ weights, the transformer of"):
        preflight(job(klein_folder, single))
    save_file(whole | {"img_in.scale_weight": torch.ones(1)}, single)
    with pytest.raises(UnfitError, match=r"is quantised \(img_in.scale_weight\)"):
        preflight(job(klein_folder, single))
    sdxl = job(sdxl_folder, single)._replace(model=Model(sdxl_folder, "sdxl", transformer=single))
    with pytest.raises(UnfitError, match=r"single files are read for FLUX\.2 Klein"):
        preflight(sdxl)


def test_a_file_in_place_of_the_folder_says_what_to_do(single: Path, klein_folder: Path) -> None:
    with pytest.raises(SourceError, match="is a single file"):
        folder_of(str(single))
