"""A LoRA on the text encoders too: trained at its own rate, never on stale prompts, loaded by who can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lora_doctor.train import companions, exports
from lora_doctor.train.folder import WEIGHTS, RunFolder, read_rows
from lora_doctor.train.job import Adapter, Job, Memory
from lora_doctor.train.loading import load_folder
from lora_doctor.train.monitors import Monitors
from lora_doctor.train.preflight import preflight
from lora_doctor.train.start import train
from lora_doctor.train.targets import UnfitError
from lora_doctor.train.validation import Samples
from lora_doctor.train.watch import Watchers

from .process import weights
from .running import run, saved, small_job
from .test_adapters import prediction, trained

FAMILIES = {"klein": "flux2-klein", "sana": "sana", "sdxl": "sdxl"}


@pytest.fixture
def folders(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Path]:
    return dict(zip(FAMILIES, (klein_folder, sana_folder, sdxl_folder)))


def job_of(folder: Path, model: Path, family: str, rate: float = 1e-2, encoders: float = 1e-2, **more: Any) -> Job:
    job = small_job(folder, model, family, adapter=Adapter(rank=2, alpha=2.0, dropout=0.1, text_encoder=True))
    optimizer = job.optimizer._replace(learning_rate=rate, text_encoder_learning_rate=encoders, weight_decay=0.0)
    return job._replace(optimizer=optimizer, memory=Memory(gradient_checkpointing=False, cache_text=False), **more)


def moved(job: Job) -> set[str]:
    """Components whose weights differ between the first checkpoint and the last."""
    first, last = saved(job, 2), saved(job, 4)
    return {name.partition(".")[0] for name in last if not torch.equal(first[name], last[name])}


@pytest.mark.parametrize("name", FAMILIES)
def test_encoders_are_trained_and_resume_bit_for_bit(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    whole, broken = (job_of(tmp_path / each, folders[name], FAMILIES[name]) for each in ("whole", "broken"))
    preflight(whole)
    run(whole)
    usual = {"transformer", "text_encoder"}
    assert moved(whole) == {"sdxl": {"unet", "text_encoder", "text_encoder_2"}}.get(name, usual)
    assert not list((whole.output / "cache").glob("text*")), "no caption of a trained encoder is kept"
    run(broken._replace(training=broken.training._replace(steps=2)))
    train(broken, Watchers(), lambda _: None, RunFolder(broken.output).checkpoint(2))
    assert weights(RunFolder(broken.output).checkpoint(4)) == weights(RunFolder(whole.output).checkpoint(4))


def test_each_has_its_own_rate(sdxl_folder: Path, tmp_path: Path) -> None:
    still = job_of(tmp_path / "still", sdxl_folder, "sdxl", encoders=0.0)
    run(still)
    assert moved(still) == {"unet"}


def test_measurements_and_samples_see_the_encoder_as_it_is(sdxl_folder: Path, tmp_path: Path) -> None:
    """The UNet stands still: what changes, changes through the prompts."""
    job = job_of(tmp_path, sdxl_folder, "sdxl", rate=1e-30, encoders=0.3)
    run(job, (Monitors(lambda _: None), Samples(lambda _: None)))
    folder = RunFolder(job.output)
    rows = [row for row in read_rows(folder.monitors) if row["monitor"] == "loss" and row["set"] == "held_out"]
    base, *later = [row["losses"] for row in rows]
    assert [row.get("base", False) for row in rows] == [True, False, False, False, False]
    assert all(one != base for one in later)
    assert later[0] != later[-1]
    (asked,) = [row for row in read_rows(folder.monitors) if row["monitor"] == "strength"]
    assert asked["response"]["1"] == 1.0
    assert len(set(asked["response"].values())) > 2, "the response is the encoder's"
    last = [row for row in read_rows(folder.samples) if row["step"] == 4]
    slot = next(row["slot"] for row in last if row["strength"] == 2.0)
    drawn = [row for row in last if row["slot"] == slot and row["seed"] == last[0]["seed"]]
    assert [row["strength"] for row in drawn] == [1.0, 0.5, 2.0]
    assert len({(folder.root / row["file"]).read_bytes() for row in drawn}) == 3


@pytest.mark.parametrize("name", ["klein", "sana"])
def test_language_models_are_loaded_by_hand(folders: dict[str, Path], name: str, tmp_path: Path) -> None:
    """The pipeline passes over the text encoder's part, transformers loads it."""
    family, models = trained(folders[name], Adapter(rank=2, alpha=4, text_encoder=True))
    job = job_of(tmp_path / "job", folders[name], FAMILIES[name])
    exports.save(family, models, job, tmp_path)
    assert len(list(companions.sentences(job))) == 1
    _, fresh = load_folder(folders[name])
    fresh.pipeline.load_lora_weights(str(tmp_path / WEIGHTS["diffusers"]))
    full = prediction(family, models)
    assert not torch.allclose(prediction(family, fresh), full, atol=1e-4), "only the transformer's part"
    fresh.pipeline.text_encoder.load_adapter(str(tmp_path / "text_encoder"))
    torch.testing.assert_close(prediction(family, fresh), full, rtol=1e-5, atol=1e-5)


def test_sdxl_needs_nothing_by_hand(sdxl_folder: Path, tmp_path: Path) -> None:
    family, models = trained(sdxl_folder, Adapter(rank=2, alpha=4, text_encoder=True))
    job = job_of(tmp_path / "job", sdxl_folder, "sdxl")
    exports.save(family, models, job, tmp_path)
    assert list(companions.sentences(job)) == []
    assert not (tmp_path / "text_encoder").exists()


def test_layers_that_nothing_reads_are_left_alone(folders: dict[str, Path]) -> None:
    _, models = trained(folders["klein"], Adapter(rank=2, alpha=2, text_encoder=True))
    names = {n.split(".")[2] for n, p in models.text_encoders[0].named_parameters() if p.requires_grad}
    assert names == {"0", "1", "2"}, "the fourth layer comes after the last that Klein reads"


def test_what_nobody_loads_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    job = job_of(tmp_path, folders["klein"], "flux2-klein")
    with pytest.raises(UnfitError, match="nothing loads a text encoder's lokr"):
        preflight(job._replace(adapter=Adapter("lokr", text_encoder=True)))
