"""LoRAs under the one that is trained: stacked, merged, continued, loaded together, folded into one."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from lora_doctor.adapter.combine import Member, merge
from lora_doctor.adapter.convert import convert
from lora_doctor.adapter.facts import examine
from lora_doctor.train import companions, exports
from lora_doctor.train.adapters import inject, strength, trainable
from lora_doctor.train.families import Family, Models
from lora_doctor.train.folder import WEIGHTS, RunFolder
from lora_doctor.train.job import Adapter, Job, Memory, Model, Precision, Saving, Training
from lora_doctor.train.loading import load
from lora_doctor.train.targets import UnfitError

from .running import run, saved, small_job
from .test_adapters import prediction, trained

NAMES = ("klein", "sana", "sdxl")


@pytest.fixture
def folders(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Path]:
    return dict(zip(NAMES, (klein_folder, sana_folder, sdxl_folder)))


def lora(folder: Path, path: Path, seed: int, **changes: object) -> Path:
    """A LoRA file that is not zero, on other layers than the whole model for some seeds."""
    adapter = Adapter(rank=2 + seed, alpha=3.0, **changes)  # type: ignore[arg-type]
    family, models = trained(folder, adapter, seed)
    exports.write(family, models, path, dtype="fp32")
    return path


def loaded(folder: Path, adapter: Adapter, base: str = "fp32") -> tuple[Family, Models]:
    family_id = {"klein": "flux2-klein"}.get(folder.name, folder.name)
    precision = Precision("fp32", base, "fp32", "fp32", "fp32")
    memory = Memory(gradient_checkpointing=False)
    job = Job(Path(), Model(folder, family_id), (), Training(1), adapter, precision=precision, memory=memory)
    return load(job, "cpu")


def over(how: str, *files: Path) -> Adapter:
    return Adapter(merge=files) if how == "merge" else Adapter(stack_on=files)


def in_pipeline(folder: Path, *files: Path) -> Tensor:
    """What diffusers' own pipeline predicts with all files loaded, each at strength 1."""
    family, models = loaded(folder, Adapter())
    for number, path in enumerate(files):
        warnings.filterwarnings("ignore", "Already found a `peft_config`")  # PEFT's, of every second file
        models.pipeline.load_lora_weights(str(path), adapter_name=f"lora{number}")
    if files:
        models.pipeline.set_adapters([f"lora{number}" for number in range(len(files))], [1.0] * len(files))
    return prediction(family, models)


@pytest.mark.parametrize("how", ["merge", "stack_on"])
@pytest.mark.parametrize("name", NAMES)
def test_beneath_is_what_the_pipeline_makes_of_the_file(
    folders: dict[str, Path], name: str, how: str, tmp_path: Path
) -> None:
    one = lora(folders[name], tmp_path / "one.safetensors", 0, text_encoder=name == "sdxl")
    two = lora(folders[name], tmp_path / "two.safetensors", 1, targets="attention" if name == "klein" else "all-linear")
    family, models = loaded(folders[name], over(how, one, two))
    expected = in_pipeline(folders[name], one, two)
    assert not torch.allclose(expected, in_pipeline(folders[name], one), atol=1e-3)
    torch.testing.assert_close(prediction(family, models), expected, rtol=1e-5, atol=1e-5)
    assert len(models.notes) == 1


@pytest.mark.parametrize("how", ["merge", "stack_on"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_trained_on_top(folders: dict[str, Path], name: str, how: str, tmp_path: Path) -> None:
    """Only the new one is trained; switched off, base and old one are left; the two files together are the model."""
    one = lora(folders[name], tmp_path / "one.safetensors", 0)
    family, models = loaded(folders[name], over(how, one))
    below = prediction(family, models)
    inject(family, models, Adapter(rank=3, alpha=3))
    torch.testing.assert_close(prediction(family, models), below, rtol=1e-6, atol=1e-6)
    weights = trainable(family, models)
    assert all(".lora_A." in key or ".lora_B." in key for key in weights)
    generator = torch.Generator().manual_seed(5)
    for weight in weights.values():
        weight.data += torch.randn(weight.shape, generator=generator) * 0.05
    with strength(models, 0.0):
        torch.testing.assert_close(prediction(family, models), below, rtol=0, atol=0)
    exports.write(family, models, tmp_path / "two.safetensors", dtype="fp32")
    assert examine(tmp_path / "two.safetensors").ranks == (3,), "the old one is not saved again"
    expected = in_pipeline(folders[name], one, tmp_path / "two.safetensors")
    torch.testing.assert_close(prediction(family, models), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_folded_into_one_file(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    one = lora(folders[name], tmp_path / "one.safetensors", 0, text_encoder=name == "sdxl")
    two = lora(folders[name], tmp_path / "two.safetensors", 1)
    assert companions.fold(Adapter(stack_on=(one,)), two, tmp_path / "both.safetensors") == ()
    assert examine(tmp_path / "both.safetensors").ranks[-1] == 5, "ranks add up"
    expected, found = in_pipeline(folders[name], one, two), in_pipeline(folders[name], tmp_path / "both.safetensors")
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_merged_over_fp8_in_high_precision(klein_folder: Path, tmp_path: Path) -> None:
    """The sum is rounded once; stacked, nothing is: the error is fp8's own."""
    one = lora(klein_folder, tmp_path / "one.safetensors", 0)
    exact = in_pipeline(klein_folder, one)
    family, merged = loaded(klein_folder, Adapter(merge=(one,)), "fp8")
    (note,) = merged.notes
    assert "storing the sums in float8_e4m3fn moves them by" in note
    lost, alone = (float(part.split("%")[0]) for part in note.split("moves them by ")[1].split("storing the base "))
    assert 0.5 < lost / alone < 2
    plain = loaded(klein_folder, Adapter())
    for name, layer in merged.denoiser.named_modules():
        if hasattr(layer, "parametrizations"):
            whole = plain[1].denoiser.get_submodule(name).weight + update(one, name)
            step = whole.abs().amax(1, keepdim=True) / 448  # of fp8's numbers, the largest is 448 and has 4 bits
            assert ((layer.weight - whole).abs() <= whole.abs() / 16 + step / 512).all(), name
    _, stacked = loaded(klein_folder, Adapter(stack_on=(one,)), "fp8")
    _, base = loaded(klein_folder, Adapter(), "fp8")
    error = (prediction(family, stacked) - exact).norm()
    usual = (prediction(family, base) - in_pipeline(klein_folder)).norm()
    assert error < 2 * usual, "no more than fp8 costs without a LoRA"


def update(path: Path, name: str) -> Tensor | float:
    from lora_doctor.train.beneath import updates_of

    found = updates_of(path, "adapter.merge").get(f"transformer.{name}")
    return found.product if found else 0.0


def test_two_stages(klein_folder: Path, tmp_path: Path) -> None:
    """A domain's run, and a task's on top of it: what must be loaded together is copied, noted and said."""
    domain = small_job(tmp_path / "domain", klein_folder)
    run(domain)
    below = RunFolder(domain.output).checkpoint(4)
    adapter = Adapter(rank=3, alpha=3.0, stack_on=(below,))
    task = small_job(tmp_path / "task", klein_folder, adapter=adapter, saving=Saving(2, 0, ("diffusers", "folded")))
    said: list[str] = []
    run(task, say=said.append)
    folder = RunFolder(task.output)
    (copy,) = companions.copies(adapter, folder)
    assert copy.read_bytes() == (below / WEIGHTS["diffusers"]).read_bytes()
    assert copy.name == "run-step-000004.safetensors"
    assert json.loads(folder.run.read_bytes())["load_with"] == [copy.name]
    (sentence,) = companions.sentences(task)
    assert f"fold them into one file: lora-doctor merge {copy}" in sentence
    assert any("beneath what is trained, unchanged, on" in sentence for sentence in said)
    files = [copy, folder.checkpoint(4) / WEIGHTS["diffusers"]]
    with safe_open(files[1], "pt") as file:
        (needed,) = json.loads(file.metadata()["load_with"])
    assert needed["file"] == copy.name
    both = in_pipeline(klein_folder, *files)
    folded = in_pipeline(klein_folder, folder.checkpoint(4) / WEIGHTS["folded"])
    torch.testing.assert_close(folded, both, rtol=1e-5, atol=1e-5)
    with pytest.raises(UnfitError, match=f"trained on top of {copy.name} and means nothing without it"):
        companions.check(Adapter(start_from=files[1]))
    companions.check(Adapter(start_from=files[1], merge=(copy,)))


def test_continuing_begins_with_the_same_weights(klein_folder: Path, tmp_path: Path) -> None:
    first = small_job(tmp_path / "first", klein_folder)
    run(first)
    start = RunFolder(first.output).checkpoint(4)
    still = small_job(tmp_path / "second", klein_folder, adapter=first.adapter._replace(start_from=start))
    still = still._replace(optimizer=still.optimizer._replace(learning_rate=0.0, weight_decay=0.0))
    run(still)
    begun, ended = saved(still, 2), saved(first, 4)
    assert begun.keys() == ended.keys()
    assert all(torch.equal(begun[key], ended[key]) for key in ended)


def test_files_of_other_programs_lie_beneath(klein_folder: Path, tmp_path: Path) -> None:
    one = lora(klein_folder, tmp_path / "one.safetensors", 0)
    convert(examine(one), "comfyui", tmp_path / "comfy.safetensors")
    family, models = loaded(klein_folder, Adapter(stack_on=(tmp_path / "comfy.safetensors",)))
    torch.testing.assert_close(prediction(family, models), in_pipeline(klein_folder, one), rtol=1e-5, atol=1e-5)


def test_what_cannot_lie_beneath(folders: dict[str, Path], tmp_path: Path) -> None:
    dora = lora(folders["klein"], tmp_path / "dora.safetensors", 0, kind="dora")
    for adapter, sentence in (
        (Adapter(merge=(dora,)), "is a DoRA"),
        (Adapter(stack_on=(tmp_path / "no",)), "does not exist"),
    ):
        with pytest.raises(UnfitError, match=sentence):
            companions.check(adapter)
    other = lora(folders["sdxl"], tmp_path / "sdxl.safetensors", 0)
    with pytest.raises(UnfitError, match="of another model"):
        loaded(folders["klein"], Adapter(stack_on=(other,)))


def test_a_merged_file_says_the_same_to_our_own_tools(klein_folder: Path, tmp_path: Path) -> None:
    """The command that the last sentence names."""
    one, two = (lora(klein_folder, tmp_path / f"{n}.safetensors", n) for n in range(2))
    merge([Member(examine(each), 1.0) for each in (one, two)], tmp_path / "both.safetensors")
    found = in_pipeline(klein_folder, tmp_path / "both.safetensors")
    torch.testing.assert_close(found, in_pipeline(klein_folder, one, two), rtol=1e-5, atol=1e-5)
