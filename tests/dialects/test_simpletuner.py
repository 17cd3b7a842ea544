"""SimpleTuner: what is recognised, and what its argparse, data loader and LyCORIS make of a config."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.derived import coverage, effective_batch, exposures_per_image, samples_per_epoch, total_steps
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.edit import apply
from lora_doctor.source.read import read_file, read_text

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "configs" / "simpletuner"
RUN: dict[str, Any] = {
    "model_family": "flux2",
    "model_flavour": "klein-4b",
    "model_type": "lora",
    "output_dir": "out",
    "data_backend_config": "backends.json",
    "optimizer": "adamw_bf16",
    "learning_rate": 1e-4,
    "max_train_steps": 1000,
    "num_train_epochs": 0,
}


def plans(path: Path) -> tuple[Plan, ...]:
    document = read_file(path)
    found = recognise(document)
    assert found is not None, f"{path.name} is not recognised"
    dialect, kind = found
    assert dialect.TRAINER == "SimpleTuner"
    return dialect.read(document, kind, Reader())


def fixture(name: str) -> Plan:
    (plan,) = plans(FIXTURES / name)
    return plan


def run(tmp_path: Path, backends: list[dict[str, Any]] | None = None, **changes: Any) -> Plan:
    """The plan of a run with these options changed."""
    if backends is not None:
        (tmp_path / "backends.json").write_text(json.dumps(backends), encoding="utf-8")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(RUN | changes, indent=2), encoding="utf-8")
    (plan,) = plans(path)
    return plan


def images(folder: Path, count: int, caption: str | None = "zwx ring") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:02}.png").write_bytes(b"")
        if caption is not None:
            (folder / f"{i:02}.txt").write_text(caption, encoding="utf-8")


def ids(path: Path) -> set[str]:
    return {found.rule.id for found in lint_file(path).found}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("klein_4b_config.json", ["training"]),
        ("klein_4b_multidatabackend.json", ["dataset"]),
        ("zwx_prompts.json", []),
        ("sdxl_lokr_config.toml", ["training"]),
        ("sdxl_lycoris.json", ["lycoris"]),
        ("ink_backends.json", ["dataset"]),
        ("crashes_late.json", ["training"]),
        ("flux_2024_config.env", ["training"]),
        ("launch.sh", ["training", "training"]),
    ],
)
def test_kinds(name: str, kinds: list[str]) -> None:
    assert [plan.kind for plan in plans(FIXTURES / name)] == kinds


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"learning_rate": 1e-4, "max_train_steps": 10, "train_batch_size": 1}'),
        ("b.json", '[{"name": "zwx", "path": "data", "repeats": 1}]'),
        ("c.json", '{"job": "extension", "config": {"name": "zwx", "process": []}}'),
        ("d.sh", "python train.py --config x.toml --learning_rate 1"),
        ("e.env", "export MODEL_TYPE=lora\nexport PORT=80"),
        ("prices.json", '{"apple": "2", "pear": "3"}'),
    ],
)
def test_not_simpletuner(name: str, text: str) -> None:
    found = recognise(read_text(name, text.encode()), "SimpleTuner")
    assert found is None


def test_toml_without_dashes_is_not_taken_for_another_trainers() -> None:
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in RUN.items())
    found = recognise(read_text("config.toml", text.encode()))
    assert found is not None
    assert (found[0].TRAINER, found[1]) == ("SimpleTuner", "training")


def test_good_run_has_no_warning() -> None:
    levels = {found.level for found in lint_file(FIXTURES / "klein_4b_config.json").found}
    assert levels <= {"note"}


def test_klein_plan() -> None:
    plan = fixture("klein_4b_config.json")
    assert (plan.model.family, plan.model.size, plan.model.variant) == ("flux2-klein", "4B", "base")
    assert plan.network.kind.value == "lora"
    assert (plan.network.rank.value, plan.network.alpha.value, plan.network.scale) == (16, 16.0, 1.0)
    assert plan.learning_rate.value == 1e-4
    assert plan.learning_rate.written
    assert plan.optimizer.weight_decay.value == 0.01
    assert plan.optimizer.gradient_clip.value == 1.0
    assert plan.steps.value == 1500
    assert plan.epochs.value is None
    assert effective_batch(plan) == 2
    assert plan.precision.base.value == "int8"
    assert plan.precision.compute.value == "bf16"
    assert plan.timesteps.prediction.value == "flow"
    assert (plan.timesteps.sampling.value, plan.timesteps.shift.value) == ("sigmoid", 3.0)
    assert plan.prompt_tokens.value == 512
    assert plan.saving.every_steps.value == 100
    assert plan.saving.keep.value == 15
    assert plan.validation.every_steps.value == 100
    assert plan.validation.every_steps.key == "validation_steps"  # the old name, as written
    assert plan.validation.prompts.value is not None
    assert len(plan.validation.prompts.value) == 3
    assert plan.validation.size.value == [1024, 1024]
    assert plan.validation.held_out.value == "datasets/zwx-held-out"
    assert plan.trigger.value == "zwx"
    reached = coverage(plan)
    assert reached is not None
    assert reached.blocks_reached == 25


def test_klein_datasets() -> None:
    plan = fixture("klein_4b_config.json")
    (data,) = plan.datasets  # the eval set, the disabled one and the cache are none
    assert [other.get("id").value for other in plan.unused] == ["zwx-held-out", "off"]
    assert data.get("id").value == "zwx-1024"
    assert data.repeats.value == 10  # nine more than once
    assert data.resolution.value == [1024]
    assert data.buckets.value is True
    assert (data.caption_source.value, data.caption_extension.value) == ("files", ".txt")
    assert data.caption_dropout.value == 0.05
    assert data.batch_size.value == 1


def test_toml_with_dashes_and_text_numbers() -> None:
    plan = fixture("sdxl_lokr_config.toml")
    assert plan.model.family == "sdxl"
    assert plan.learning_rate.value == 1.0
    assert plan.epochs.value == 12
    assert plan.steps.value is None
    assert plan.saving.keep.value == 20
    assert plan.saving.keep.key == "save_total_limit"
    assert plan.batch_size.value == 4
    assert plan.optimizer.scheduler.value is None  # Prodigy brings its own
    assert plan.validation.size.value == [1024, 1024]
    assert plan.validation.prompts.value == ["an ink drawing of a heron"]
    assert plan.timesteps.prediction.value == "epsilon"
    assert plan.prompt_tokens.value == 77


def test_lycoris_file_rules() -> None:
    network = fixture("sdxl_lokr_config.toml").network
    assert (network.kind.value, network.rank.value, network.alpha.value, network.scale) == ("lokr", 16, 8.0, 0.5)
    assert network.targets.value == "Attention, FeedForward"
    assert network.target_style == "preset"
    assert network.rank.place is not None
    assert network.rank.place.document.name.endswith("sdxl_lycoris.json")


@pytest.mark.parametrize(
    ("settings", "scale", "rank"),
    [
        ({"algo": "lokr", "linear_dim": 10000, "linear_alpha": 1}, 1.0, None),
        ({"algo": "lokr", "linear_dim": 64, "linear_alpha": 1, "full_matrix": True}, 1.0, None),
        ({"algo": "lokr", "linear_dim": 64, "linear_alpha": 1}, None, 64),
        ({"algo": "lokr", "linear_dim": 8, "linear_alpha": 1}, 0.125, 8),
        ({"algo": "lora", "linear_dim": 32, "linear_alpha": 16.9}, 0.5, 32),
        ({"algo": "loha", "linear_dim": 32, "linear_alpha": 0.5}, 1.0, 32),
    ],
)
def test_lycoris_scale(tmp_path: Path, settings: dict[str, Any], scale: float | None, rank: int | None) -> None:
    (tmp_path / "lycoris.json").write_text(json.dumps({"multiplier": 1.0, **settings}), encoding="utf-8")
    network = run(tmp_path, lora_type="lycoris", lycoris_config="lycoris.json", lora_rank=128).network
    assert (network.scale, network.rank.value) == (scale, rank)


def test_dataset_defaults_come_from_the_run() -> None:
    ink, hub = fixture("sdxl_lokr_config.toml").datasets
    assert ink.resolution.value == [1024]
    assert ink.caption_source.value == "files"
    assert ink.buckets.value is False  # a square crop
    assert (ink.masks.value, ink.control.value) == ("datasets/ink-masks", "datasets/ink-lines")
    assert ink.repeats.value == 1
    assert hub.resolution.value == [707]
    assert hub.caption_source.value == "column"
    assert hub.folder.value is None


def test_dataset_alone_leaves_the_rest_open() -> None:
    ink, hub = fixture("ink_backends.json").datasets
    assert ink.resolution.value is None
    assert ink.caption_source.value is None
    assert hub.caption_source.value == "column"


def test_env_file() -> None:
    plan = fixture("flux_2024_config.env")
    assert plan.model.family == "flux1"
    assert plan.model.variant == "dev"
    assert plan.learning_rate.value == 8e-5
    assert plan.learning_rate.key == "LEARNING_RATE"
    assert plan.steps.value == 3000
    assert plan.seed.value == 42
    assert plan.network.rank.value == 16
    assert plan.network.rank.origin == "default"
    assert plan.network.alpha.value == 16.0
    assert plan.network.alpha.written
    assert plan.precision.base.value == "int8"
    assert plan.precision.gradient_checkpointing.value is True  # "false" is dropped
    assert plan.get("minimum_image_size").value == 1024


def test_env_fixes() -> None:
    document = read_file(FIXTURES / "flux_2024_config.env")
    plan = fixture("flux_2024_config.env")
    fix = plan.learning_rate.write(1e-4)
    assert fix is not None
    assert b"export LEARNING_RATE=0.0001  # found" in apply(document.text, list(fix.edits))
    fix = plan.get("model_family").write("flux")
    assert fix is not None
    assert apply(document.text, list(fix.edits)).rstrip().endswith(b"export MODEL_FAMILY=flux")
    assert plan.get("lora_rank").write(32) is None  # no variable stands for it


def test_launch_lines() -> None:
    klein, sana = plans(FIXTURES / "launch.sh")
    assert klein.model.size == "9B"
    assert klein.network.scale == 0.5
    assert klein.learning_rate.value == 2e-5  # the flag on the line is not read
    assert klein.launch is not None
    assert set(klein.launch.settings) == {"env", "num_processes", "learning_rate"}
    assert klein.seed.value is None
    assert klein.seed.origin == "unknown"
    assert klein.network.weights.value is None  # null is not written
    assert klein.validation.prompts.value == []
    assert sana.script == "train.py"
    assert sana.model.family == "sana"
    assert sana.model.size == "1.6B"
    assert sana.batch_size.value == 2  # --train_batch is enough of the name
    assert (sana.timesteps.sampling.value, sana.timesteps.shift.value) == ("uniform", None)
    assert sana.precision.vae.value == "fp32"


@pytest.mark.parametrize(
    ("value", "effective"),
    [
        (False, False),
        (True, True),
        ("true", True),
        ("false", True),
        (None, True),
        ("", True),
        (0, False),
        ("off", False),
    ],
)
def test_flag_that_is_on_by_default(tmp_path: Path, value: Any, effective: bool) -> None:
    assert run(tmp_path, gradient_checkpointing=value).precision.gradient_checkpointing.value is effective


def test_unknown_keys_that_are_dropped_before_argparse(tmp_path: Path) -> None:
    run(tmp_path, validation_torch_compile="false", allow_tf32=None)
    assert "unknown-key" not in ids(tmp_path / "config.json")
    run(tmp_path, validation_torch_compile=False)
    assert "unknown-key" in ids(tmp_path / "config.json")


def test_old_names(tmp_path: Path) -> None:
    plan = run(tmp_path, vae_cache_preprocess=False, lr_scheduler="cosine_with_warmup", checkpointing_steps="250")
    assert plan.get("vae_cache_ondemand").value is True
    assert plan.optimizer.scheduler.value == "cosine"
    assert plan.optimizer.warmup_steps.value is None  # there it is a period
    assert plan.saving.every_steps.value == 250
    assert "value-not-accepted" not in ids(tmp_path / "config.json")


def test_path_beats_flavour(tmp_path: Path) -> None:
    plan = run(tmp_path, pretrained_model_name_or_path="black-forest-labs/FLUX.2-klein-9B", model_flavour="klein-9b")
    assert plan.model.setting.key == "pretrained_model_name_or_path"
    assert (plan.model.size, plan.model.variant) == ("9B", "distilled")


def test_default_flavours(tmp_path: Path) -> None:
    plan = run(tmp_path, model_flavour=None)
    assert plan.model.size == "9B"
    assert plan.model.setting.origin == "default"
    plan = run(tmp_path, model_family="FLUX", model_flavour=None)
    assert plan.model.family == "flux1"
    assert plan.model.variant == "krea"


@pytest.mark.parametrize(
    ("optimizer", "config", "decay", "origin"),
    [
        ("adamw_bf16", None, 0.01, "default"),
        ("optimi-lion", None, 0.0, "default"),
        ("muon", "eps=1e-6,weight_decay=0.3", 0.3, "written"),
        ("muon", "eps=1e-6", None, "unknown"),
    ],
)
def test_weight_decay(tmp_path: Path, optimizer: str, config: str | None, decay: float | None, origin: str) -> None:
    plan = run(tmp_path, optimizer=optimizer, optimizer_config=config, adam_weight_decay=0.5)
    assert (plan.optimizer.weight_decay.value, plan.optimizer.weight_decay.origin) == (decay, origin)


def test_exposures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "data", 8)
    images(tmp_path / "data" / "more", 2)  # sub-folders are read
    (tmp_path / "data" / "x.heic").write_bytes(b"")
    entry = {"id": "zwx", "type": "local", "instance_data_dir": "data", "caption_strategy": "textfile", "repeats": 4}
    plan = run(tmp_path, [entry], train_batch_size=2)
    assert samples_per_epoch(plan) == 50
    assert total_steps(plan) == 1000
    assert exposures_per_image(plan) == 200
    assert set((plan.datasets[0].caption_counts or {}).values()) == {1}


def test_lines_of_a_caption_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "data", 1, "zwx ring\n")
    entry = {"id": "zwx", "type": "local", "instance_data_dir": "data", "caption_strategy": "textfile"}
    run(tmp_path, [entry], train_batch_size=1)
    assert "lines-become-captions" not in ids(tmp_path / "config.json")  # a line break at the end is none
    images(tmp_path / "data", 1, "zwx ring\r\n\r\non slate\r\n")
    run(tmp_path, [entry], train_batch_size=1)
    assert "lines-become-captions" in ids(tmp_path / "config.json")


def test_oversubscription_lets_a_small_set_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "data", 2)
    entry = {"id": "zwx", "type": "local", "instance_data_dir": "data", "caption_strategy": "textfile"}
    run(tmp_path, [entry], train_batch_size=4)
    assert "batch-larger-than-dataset" in ids(tmp_path / "config.json")
    run(tmp_path, [entry], train_batch_size=4, allow_dataset_oversubscription=True)
    assert not ids(tmp_path / "config.json") & {"batch-larger-than-dataset", "dataset-smaller-than-batch"}


def test_stored_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images(tmp_path / "data", 4)
    stored = {"config": {"resolution": 0.262144, "crop": False}, "aspect_ratio_bucket_indices": {}}
    (tmp_path / "data" / "aspect_ratio_bucket_indices_zwx.json").write_text(json.dumps(stored), encoding="utf-8")
    entry: dict[str, Any] = {"id": "zwx", "type": "local", "instance_data_dir": "data", "caption_strategy": "textfile"}
    entry["resolution"] = 1024
    plan = run(tmp_path, [entry])
    assert plan.datasets[0].stored == stored["config"]
    assert "stored-settings-win" in ids(tmp_path / "config.json")
    run(tmp_path, [entry], override_dataset_config=True)
    assert "stored-settings-win" not in ids(tmp_path / "config.json")
    run(tmp_path, [entry | {"resolution": 512}])
    assert "stored-settings-win" not in ids(tmp_path / "config.json")


def test_broken_run_names_every_crash() -> None:
    assert ids(FIXTURES / "crashes_late.json") >= {
        "klein-without-flavour",
        "no-such-optimizer",
        "sine-without-warmup",
        "steps-and-epochs",
        "quoted-false",
        "dataset-key-in-run-config",
        "lycoris-dim-missing",
        "lycoris-multiplier-cut-to-zero",
        "lycoris-targets-of-another-model",
        "instance-prompt-missing",
        "resolution-in-wrong-unit",
        "downsample-target-missing",
        "duplicate-dataset-id",
        "several-default-text-embeds",
    }


@pytest.mark.parametrize(
    "text",
    [
        '{"model_family": "flux2"}',
        '{"model_family": "sana", "data_backend_config": [1], "learning_rate": {}, "lora_rank": []}',
        '{"model_family": "sdxl", "model_type": 3, "max_train_steps": "many", "validation_resolution": "x"}',
        '[{"id": "a", "type": "local", "resolution": "x", "repeats": [], "conditioning_data": {}}]',
        '{"algo": 3, "linear_dim": "many", "apply_preset": []}',
    ],
)
def test_odd_values_are_survived(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    result = lint_file(path)
    assert result.files
    assert not result.problems


def test_the_old_launcher_is_no_config(tmp_path: Path) -> None:
    """SimpleTuner's train.sh sets defaults between its commands."""
    script = tmp_path / "train.sh"
    script.write_text(
        "source config/config.env\nexport MIXED_PRECISION=bf16\nTRAINING_NUM_PROCESSES=1\nTRAIN_BATCH_SIZE=4\n"
        "accelerate launch $ACCELERATE_EXTRA_ARGS train.py --learning_rate $LEARNING_RATE\n",
        encoding="utf-8",
    )
    assert recognise(read_file(script)) is None


def test_a_switch_of_2024_names_the_family(tmp_path: Path) -> None:
    file = tmp_path / "config.env"
    file.write_text("export MODEL_TYPE='lora'\nexport FLUX=true\nexport MAX_NUM_STEPS=2000\nexport NUM_EPOCHS=0\n")
    (plan,) = plans(file)
    assert plan.model.family == "flux1"
