"""OneTrainer: which files are its own, and what a config, preset, concept list or command line comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.derived import samples_per_epoch, total_steps
from lora_doctor.dialects import onetrainer, recognise
from lora_doctor.dialects.onetrainer_concepts import edges
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file

FIXTURES = Path(__file__).parents[2] / "fixtures" / "configs" / "onetrainer"
CONFIG = {
    "__version": 11,
    "training_method": "LORA",
    "model_type": "FLUX_2",
    "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
    "output_model_format": "DIFFUSERS_LORA",
}


def plans(path: Path) -> tuple[Plan, ...]:
    document = read_file(path)
    recognised = recognise(document)
    assert recognised is not None, f"{path.name} is not recognised"
    dialect, kind = recognised
    assert dialect.TRAINER == "OneTrainer", dialect.TRAINER
    reader = Reader()
    found = dialect.read(document, kind, reader)
    assert not reader.problems
    return found


def plan(folder: Path, **keys: Any) -> Plan:
    path = folder / "config.json"
    path.write_text(json.dumps(CONFIG | keys))
    return plans(path)[0]


def found(path: Path, *levels: str) -> set[str]:
    result = lint_file(path)
    assert not result.problems
    return {f.rule.id for f in result.found if f.level in levels}


def folder_of_images(root: Path, *names: str) -> str:
    for name in names:
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(root / "data")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("klein_9b.json", "training"),
        ("sdxl_format_5.json", "training"),
        ("#klein 4B.json", "preset"),
        ("klein_4b_changes.json", "preset"),
        ("zwx_concepts.json", "concepts"),
        ("zwx_samples.json", "samples"),
        ("secrets.json", "secrets"),
        ("train.sh", "command"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert onetrainer.recognise(read_file(FIXTURES / name)) == kind
    assert found(FIXTURES / name, "error", "warning") == set()


@pytest.mark.parametrize(
    "data",
    [
        {"model_type": "lora", "model_family": "flux2", "learning_rate": 1e-4},  # SimpleTuner
        {"LoRA_type": "Standard", "learning_rate": 1e-4},  # kohya's GUI
        [{"id": "images", "type": "local", "instance_data_dir": "data"}],  # SimpleTuner's backends
        [{"prompt": "a ring", "width": 512, "sample_steps": 20}],  # kohya's prompts
        {"job": "extension", "config": {}},
        [],
    ],
)
def test_other_json_is_not_ours(tmp_path: Path, data: Any) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(data))
    assert onetrainer.recognise(read_file(path)) is None


def test_saved_config_in_plan_units() -> None:
    (run,) = plans(FIXTURES / "klein_9b.json")
    assert (run.model.family, run.model.size, run.model.variant) == ("flux2-klein", "9B", "base")
    assert (run.network.kind.value, run.network.rank.value, run.network.scale) == ("lora", 32, 1.0)
    assert (run.epochs.value, run.steps.value) == (60, None)
    assert run.precision.base.value == "int8"
    assert run.precision.compute.value == "bf16"
    assert run.timesteps.sampling.value == "logit_normal"
    assert run.timesteps.shift.value is None  # the model's own, for each resolution
    assert run.timesteps.prediction.value == "flow"
    assert run.saving.every_epochs.value == 10
    assert run.train_text_encoder.value is None  # FLUX_2 has no way to train one, whatever its switch says
    assert run.cache_text.value is True
    assert run.prompt_tokens.value == 512
    assert run.validation.prompts.value == ["zwx, a ring on slate, window light"]  # the second is switched off
    assert run.validation.guidance.value == 4.0
    assert run.validation.every_epochs.value == 5
    assert [data.folder.value for data in run.datasets] == ["/data/zwx/images"]
    assert [data.folder.value for data in run.unused] == ["/data/zwx/held_out"]
    assert run.datasets[0].repeats.value == 2.0
    assert run.datasets[0].caption_dropout.value == 0.05


def test_defaults_are_onetrainers(tmp_path: Path) -> None:
    run = plan(tmp_path)
    assert run.network.scale == pytest.approx(1 / 16)
    assert (run.network.alpha.value, run.network.alpha.origin) == (1.0, "default")
    assert run.learning_rate.value == 3e-6
    assert run.epochs.value == 100
    assert run.optimizer.name.value == "ADAMW"
    assert run.optimizer.weight_decay.value == 0.01
    assert run.optimizer.warmup_steps.value == 200
    assert run.network.dtype.value == "fp32"
    assert run.saving.never is False  # backups come every 30 minutes
    assert run.saving.every_epochs.value is None
    assert plan(tmp_path, backup_after_unit="NEVER").saving.never is True


def test_a_value_it_cannot_set_leaves_the_default(tmp_path: Path) -> None:
    run = plan(tmp_path, learning_rate_scheduler="cosine", learning_rate="1e-4", batch_size="2", lora_rank="many")
    assert (run.optimizer.scheduler.value, run.optimizer.scheduler.origin) == ("constant", "default")
    assert run.learning_rate.value == 1e-4  # text is converted
    assert run.batch_size.value == 2
    assert run.network.rank.value == 16
    assert found(tmp_path / "config.json", "error") >= {"value-not-accepted", "wrong-type"}


def test_text_is_true(tmp_path: Path) -> None:
    assert plan(tmp_path, latent_caching="false").cache_latents.value is True
    assert "wrong-type" in found(tmp_path / "config.json", "error")


def test_adapter_kinds(tmp_path: Path) -> None:
    assert plan(tmp_path, lora_decompose=True).network.kind.value == "dora"
    lokr = plan(tmp_path, peft_type="LOKR", lokr_dim=8, lora_alpha=4)
    assert (lokr.network.kind.value, lokr.network.rank.value, lokr.network.scale) == ("lokr", 8, 0.5)
    oft = plan(tmp_path, peft_type="OFT_2")
    assert (oft.network.kind.value, oft.network.scale) == ("oft", None)
    assert plan(tmp_path, training_method="FINE_TUNE").network.kind.value == "full"
    assert plan(tmp_path, training_method="EMBEDDING").network.kind.value == "textual-inversion"


def test_layer_filter_matches_anywhere(tmp_path: Path) -> None:
    assert plan(tmp_path, layer_filter="attn, ff.net").network.targets.value == r".*(?:attn|ff\.net).*"
    assert plan(tmp_path, layer_filter="attn,").network.targets.value is None  # the empty part matches every layer
    assert plan(tmp_path, layer_filter="att[nm]", layer_filter_regex=True).network.targets.value == ".*(?:att[nm]).*"


def test_bf16_adapter_with_stochastic_rounding_is_not_judged(tmp_path: Path) -> None:
    assert plan(tmp_path, lora_weight_dtype="BFLOAT_16").network.dtype.value is None
    off = plan(tmp_path, lora_weight_dtype="BFLOAT_16", optimizer={"stochastic_rounding": False})
    assert off.network.dtype.value == "bf16"


def test_rate_of_the_part_and_its_scaler(tmp_path: Path) -> None:
    assert plan(tmp_path, learning_rate=1e-4, transformer={"learning_rate": 3e-4}).learning_rate.value == 3e-4
    assert plan(tmp_path, learning_rate=1e-4, transformer={"learning_rate": None}).learning_rate.value == 1e-4
    large = {"batch_size": 4, "gradient_accumulation_steps": 4, "learning_rate_scaler": "BOTH"}
    scaled = plan(tmp_path, learning_rate=1e-4, **large)
    assert scaled.learning_rate.value == pytest.approx(4e-4)


def test_steps_count_batches(tmp_path: Path) -> None:
    run = plan(
        tmp_path, gradient_accumulation_steps=4, learning_rate_warmup_steps=200, save_every=100, save_every_unit="STEP"
    )
    assert run.optimizer.warmup_steps.value == 50
    assert run.saving.every_steps.value == 25


def test_warmup_as_a_share(tmp_path: Path) -> None:
    images = folder_of_images(tmp_path, *(f"{n}.png" for n in range(10)))
    concepts = [{"path": images, "image": {}}]
    run = plan(tmp_path, learning_rate_warmup_steps=0.1, epochs=20, batch_size=2, concepts=concepts)
    assert total_steps(run) == 100
    assert run.optimizer.warmup_steps.value == pytest.approx(10)
    free = plan(tmp_path, optimizer={"optimizer": "SCHEDULE_FREE_ADAMW"}, learning_rate_scheduler="COSINE")
    assert (free.optimizer.warmup_steps.value, free.optimizer.scheduler.value) == (0, "constant")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("512", [512]), ("512, 768", [512, 768]), ("832x1216", [1006]), ("512;768", None), ("512x512,768", None),
     ("", None)],
)
def test_resolutions(text: str, expected: list[int] | None) -> None:
    assert edges(text) == expected


def test_several_resolutions_do_not_lengthen_an_epoch(tmp_path: Path) -> None:
    images = folder_of_images(tmp_path, "a.png", "b.png")
    run = plan(tmp_path, resolution="512,768", concepts=[{"path": images, "image": {}}])
    assert run.datasets[0].resolution.value == [512, 768]
    assert samples_per_epoch(run) == 2


def test_folder_as_onetrainer_sees_it(tmp_path: Path) -> None:
    images = folder_of_images(
        tmp_path, "a.png", "a-masklabel.png", "b.tiff", "c.gif", "more/d.webp", "more/d-condlabel.png", "a.txt"
    )
    flat = plan(tmp_path, concepts=[{"path": images, "image": {}}]).datasets[0].listing
    assert flat is not None
    assert flat.images == ("a.png", "b.tiff")
    assert "a-masklabel.png" in flat.others
    deep = plan(tmp_path, concepts=[{"path": images, "include_subdirectories": True}]).datasets[0].listing
    assert deep is not None
    assert deep.images == ("a.png", "b.tiff", "more/d.webp")


def test_balancing(tmp_path: Path) -> None:
    images = folder_of_images(tmp_path, "a.png", "b.png", "c.png", "d.png")
    concept = {"path": images, "image": {}, "balancing": 10}
    assert plan(tmp_path, concepts=[concept]).datasets[0].repeats.value == 10
    assert plan(tmp_path, concepts=[concept | {"balancing_strategy": "SAMPLES"}]).datasets[0].repeats.value == 2.5
    assert plan(tmp_path, concepts=[{"path": images, "image": {}, "repeats": 3}]).datasets[0].repeats.value == 3
    renamed = plan(tmp_path, concepts=[{"__version": 2, "path": images, "image": {}, "repeats": 3}])
    assert renamed.datasets[0].repeats.value == 1.0


def test_captions_and_resolution_of_a_concept(tmp_path: Path) -> None:
    concept = {
        "path": "data",
        "text": {"prompt_source": "filename", "enable_tag_shuffling": True, "keep_tags_count": 2},
        "image": {"enable_resolution_override": True, "resolution_override": "768"},
        "type": "PRIOR_PREDICTION",
    }
    data = plan(tmp_path, concepts=[concept]).datasets[0]
    assert data.caption_source.value == "filename"
    assert data.shuffle_tags.value is True
    assert data.keep_tokens.value == 2
    assert data.resolution.value == [768]
    assert data.regularisation.value is True


def test_old_formats_under_todays_names() -> None:
    (run,) = plans(FIXTURES / "sdxl_format_5.json")
    assert run.saving.every_steps.value == 500
    assert run.saving.every_steps.key == "save_after"
    assert run.network.targets.value == ".*(?:attentions).*"
    assert run.precision.base.value == "bf16"  # NONE meant the common format
    assert run.precision.gradient_checkpointing.value is True
    assert run.get("output_model_format").value == "LEGACY_LORA"
    assert run.learning_rate.value == 1e-4
    assert run.train_text_encoder.value is False


def test_very_old_config_is_format_0(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    old = {"training_method": "LORA", "model_type": "STABLE_DIFFUSION_15", "weight_dtype": "FLOAT_32",
           "optimizer": "PRODIGY", "train_text_encoder": False, "learning_rate": 1}  # fmt: skip
    path.write_text(json.dumps(old))
    (run,) = plans(path)
    assert run.kind == "training"
    assert run.optimizer.name.value == "PRODIGY"
    assert run.train_text_encoder.value is False
    assert run.learning_rate.value == 1.0


def test_newer_format_may_have_more_keys(tmp_path: Path) -> None:
    plan(tmp_path, __version=12, brand_new=True, lora_alpha=16, learning_rate=1e-4)
    assert "unknown-key" not in found(tmp_path / "config.json", "warning")
    plan(tmp_path, brand_new=True)
    assert "unknown-key" in found(tmp_path / "config.json", "warning")


def test_command_overrides() -> None:
    (run,) = plans(FIXTURES / "train.sh")
    assert run.kind == "training"
    assert run.launch is not None
    assert run.learning_rate.value == 5e-5
    assert run.learning_rate.place is not None
    assert run.learning_rate.place.document.name.endswith("train.sh")
    assert run.optimizer.name.value == "ADAMW_8BIT"


def test_preset_under_a_config() -> None:
    (run,) = plans(FIXTURES / "preset_and_config.sh")
    assert run.model.size == "4B"  # of the preset
    assert run.learning_rate.value == 2e-4  # of the config
    assert run.precision.base.value == "bf16"
    assert run.network.scale == 1.0
    assert found(FIXTURES / "preset_and_config.sh", "error", "warning") == set()
    assert found(FIXTURES / "preset_as_config.sh", "error") == {"version-missing"}


@pytest.mark.parametrize(
    "text",
    [
        "./run-cmd.sh train --config-path=klein_9b.json\n",
        "venv\\Scripts\\python.exe scripts\\train.py --config-path klein_9b.json\n",
        "PYTHONPATH=. python3 /opt/OneTrainer/scripts/train.py --config-path klein_9b.json\n",
    ],
)
def test_launch_lines(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    path = tmp_path / "run.bat"
    path.write_text(text)
    (run,) = plans(path)
    assert run.network.rank.value == 32


def test_what_is_spelled_as_elsewhere() -> None:
    assert found(FIXTURES / "spelled_as_elsewhere.json", "error") == {
        "output-format-unsupported", "value-not-accepted", "warmup-of-one", "alpha-zero", "resolution-unreadable",
        "wrong-type", "interval-of-zero", "loss-weight-of-other-noise", "concept-adds-nothing", "prompt-file-missing",
    }  # fmt: skip


def test_presets_of_older_versions_keep_their_keys(tmp_path: Path) -> None:
    preset = tmp_path / "#zwx.json"
    preset.write_text(
        '{"base_model_name": "m", "training_method": "LORA", "model_type": "STABLE_DIFFUSION_15", "vae": '
        '{"weight_dtype": "FLOAT_32"}, "weight_dtype": "FLOAT_16", "gradient_checkpointing": "CPU_OFFLOADED", '
        '"layer_offload_fraction": 0.5}',
        encoding="utf-8",
    )
    assert found(preset, "warning") == set()
