"""The kohya_ss GUI: its JSON files, and what it makes of them for sd-scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file, read_text

FIXTURES = Path(__file__).parents[2] / "fixtures" / "configs" / "kohya_ss"


def plan_of(path: Path) -> Plan:
    document = read_file(path)
    recognised = recognise(document)
    assert recognised is not None, f"{path.name} is not recognised"
    dialect, kind = recognised
    assert dialect.TRAINER == "kohya_ss", dialect.TRAINER
    reader = Reader()
    (plan,) = dialect.read(document, kind, reader)
    assert not reader.problems
    return plan


def preset(tmp_path: Path, **fields: Any) -> Plan:
    path = tmp_path / "preset.json"
    path.write_text(json.dumps({"LoRA_type": "Standard", "network_dim": 16, "network_alpha": 16} | fields))
    return plan_of(path)


def found(path: Path, *levels: str) -> set[str]:
    result = lint_file(path)
    assert not result.problems
    return {f.rule.id for f in result.found if f.level in levels}


@pytest.mark.parametrize("name", ["sdxl_character", "flux_style", "old_strings", "lycoris_additional"])
def test_good_files_have_no_finding(name: str) -> None:
    assert found(FIXTURES / f"{name}.json", "error", "warning") == set()


def test_broken() -> None:
    assert found(FIXTURES / "broken_epoch_and_zeros.json", "error", "warning") == {
        "epoch-ignored",
        "zero-field-dropped",
        "caption-extension-empty",
        "bucket-steps-not-divisible",
        "text-encoder-cached-and-trained",
    }


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("a.json", '{"LoRA_type": "Standard"}', "training"),
        ("a.json", '{"num_vectors_per_token": 4, "pretrained_model_name_or_path": "x"}', "textual inversion"),
        ("a.json", '{"max_resolution": "512,512", "mixed_precision": "no", "lr_warmup": 1, "dataset_repeats": "1"}',
         "finetune"),
        ("a.json", '{"max_resolution": "512,512", "mixed_precision": "no", "lr_warmup": 1}', "dreambooth"),
        ("a.toml", "[server]\na = 1\n[folders]\nb = 2\n[model]\noutput_name = 'x'", "settings"),
    ],
)  # fmt: skip
def test_recognises(name: str, text: str, kind: str) -> None:
    recognised = recognise(read_text(name, text.encode()))
    assert recognised is not None
    assert (recognised[0].TRAINER, recognised[1]) == ("kohya_ss", kind)


@pytest.mark.parametrize("name", ["textual_inversion.json", "settings_config.toml"])
def test_what_is_no_lora_is_named_and_not_judged(name: str) -> None:
    assert not plan_of(FIXTURES / name).training
    assert found(FIXTURES / name, "error", "warning", "note") == set()


def test_plan() -> None:
    plan = plan_of(FIXTURES / "sdxl_character.json")
    assert (plan.trainer, plan.script, plan.model.family) == ("kohya_ss", "sdxl_train_network.py", "sdxl")
    assert (plan.network.kind.value, plan.network.scale) == ("lora", 1.0)
    assert plan.network.rank.key == "network_dim"
    assert plan.network.rank.written
    assert (plan.steps.value, plan.epochs.value, plan.epochs.key) == (None, 10, "epoch")
    assert plan.optimizer.name.key == "optimizer"
    assert plan.optimizer.weight_decay.value == 0.01
    assert plan.train_text_encoder.value is False  # a text encoder rate of 0
    assert plan.precision.vae.value == "fp32"
    assert plan.precision.vae.key == "sdxl_no_half_vae"
    assert plan.cache_text.value is True
    assert plan.argument("lr_warmup_steps").value == pytest.approx(0.1)
    assert plan.argument("optimizer_args").value == ["weight_decay=0.01"]


def test_flux() -> None:
    plan = plan_of(FIXTURES / "flux_style.json")
    assert (plan.script, plan.model.family) == ("flux_train_network.py", "flux1")
    assert plan.argument("network_module").value == "networks.lora_flux"
    assert (plan.timesteps.sampling.value, plan.timesteps.guidance.value) == ("flux_shift", 1.0)
    assert plan.precision.blocks_to_swap.value == 18
    assert plan.text_encoder.found.encoder == "t5-xxl"


def test_numbers_saved_as_text() -> None:
    plan = plan_of(FIXTURES / "old_strings.json")
    assert (plan.epochs.value, plan.network.alpha.value, plan.learning_rate.value) == (12, 8, 1e-4)
    assert plan.network.scale == 0.5


def test_additional_parameters_win() -> None:
    plan = plan_of(FIXTURES / "lycoris_additional.json")
    assert plan.network.rank.value == 24  # not the 16 of the field
    assert (plan.network.kind.value, plan.network.conv_rank.value) == ("loha", 4)
    assert plan.argument("lr_warmup_steps").value == 0.05
    assert plan.launch is not None
    assert plan.launch.has("network_dim")


def test_additional_parameter_that_argparse_refuses(tmp_path: Path) -> None:
    preset(tmp_path, additional_parameters="--network_dimension 8")
    assert {"unknown-key", "misspelt-key"} & found(tmp_path / "preset.json", "error", "warning")


@pytest.mark.parametrize(
    ("fields", "steps", "epochs"),
    [
        ({}, 1600, None),
        ({"epoch": 8}, 1600, None),
        ({"epoch": 8, "max_train_steps": 0}, None, 8),
        ({"epoch": 8, "max_train_steps": ""}, None, 8),
        ({"max_train_steps": 900}, 900, None),
        ({"epoch": 8, "max_train_steps": 900, "max_train_epochs": 3}, None, 3),
        ({"epoch": 8, "max_train_steps": 0, "dataset_config": "x.toml"}, 1600, None),
    ],
)
def test_steps_and_epochs(tmp_path: Path, fields: dict[str, Any], steps: int | None, epochs: int | None) -> None:
    plan = preset(tmp_path, **fields)
    assert (plan.steps.value, plan.epochs.value) == (steps, epochs)


@pytest.mark.parametrize(
    ("key", "default"),
    [("max_grad_norm", 1.0), ("network_alpha", 1), ("network_dim", None), ("caption_extension", ".caption")],
)
def test_empty_and_zero_are_left_out(tmp_path: Path, key: str, default: Any) -> None:
    empty = "" if key == "caption_extension" else 0
    setting = preset(tmp_path, **{key: empty}).argument(key)
    assert setting.value == default
    assert not setting.written
    assert setting.key == key
    assert setting.place is not None


@pytest.mark.parametrize(
    ("kind", "module", "network"),
    [
        ("Standard", "networks.lora", "lora"),
        ("Kohya LoCon", "networks.lora", "locon"),
        ("LyCORIS/LoKr", "lycoris.kohya", "lokr"),
        ("LyCORIS/iA3", "lycoris.kohya", "ia3"),
        ("LyCORIS/Native Fine-Tuning", "lycoris.kohya", "full"),
        ("Kohya LoHa", "networks.loha", "loha"),
        ("LoCon", "lycoris.kohya", "locon"),
    ],
)
def test_lora_types(tmp_path: Path, kind: str, module: str, network: str) -> None:
    plan = preset(tmp_path, LoRA_type=kind, sdxl=True)
    assert plan.argument("network_module").value == module
    assert plan.network.kind.value == network


def test_standard_has_no_convolutions(tmp_path: Path) -> None:
    assert preset(tmp_path, conv_dim=8).network.conv_rank.value is None
    assert preset(tmp_path, LoRA_type="Kohya LoCon", conv_dim=8).network.conv_rank.value == 8


def test_noise_by_type(tmp_path: Path) -> None:
    fields = {"noise_offset": 0.05, "multires_noise_iterations": 8, "adaptive_noise_scale": 0.005}
    original = preset(tmp_path, noise_offset_type="Original", **fields)
    assert original.timesteps.noise_offset.value == 0.05
    assert original.argument("multires_noise_iterations").value is None
    multires = preset(tmp_path, noise_offset_type="Multires", **fields)
    assert multires.timesteps.noise_offset.value is None
    assert multires.argument("adaptive_noise_scale").value is None
    assert multires.argument("multires_noise_iterations").value == 8


def test_prompts_stand_in_the_field(tmp_path: Path) -> None:
    plan = preset(tmp_path, sdxl=True, sample_prompts="# first\na zwx ring --w 832 --h 1216 --s 20 --d 42\na cup\n")
    assert plan.validation.prompts.value == ["a zwx ring", "a cup"]
    assert (plan.validation.size.value, plan.validation.seed.value) == ([832, 1216], 42)


def test_checkbox_and_checkpoint_disagree(tmp_path: Path) -> None:
    preset(tmp_path, sdxl=False, pretrained_model_name_or_path="/m/sd_xl_base_1.0.safetensors")
    assert "another-base-model" in found(tmp_path / "preset.json", "error")


def test_concept_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data/4_zwx ring/a.png", "data/4_zwx ring/a.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a zwx ring")
    plan = preset(tmp_path, train_data_dir="data")
    (ring,) = plan.datasets
    assert (ring.repeats.value, ring.caption_extension.value, ring.resolution.value) == (4, ".txt", [512])
    assert ring.buckets.value is True
