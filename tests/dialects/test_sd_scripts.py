"""sd-scripts: which files are its own, and what a command, config file or dataset config comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.derived import exposures_per_image, samples_per_epoch
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.sd_scripts_dataset import edges, repeats_and_concept
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file, read_text

FIXTURES = Path(__file__).parents[2] / "fixtures" / "configs" / "sd-scripts"


def plans(path: Path) -> tuple[Plan, ...]:
    document = read_file(path)
    recognised = recognise(document)
    assert recognised is not None, f"{path.name} is not recognised"
    dialect, kind = recognised
    assert dialect.TRAINER == "sd-scripts", dialect.TRAINER
    reader = Reader()
    found = dialect.read(document, kind, reader)
    assert not reader.problems
    return found


def config(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "config.toml"
    path.write_text('network_module = "networks.lora"\n' + text)
    return plans(path)[0]


def command(tmp_path: Path, text: str, script: str = "sdxl_train_network.py") -> Plan:
    path = tmp_path / "train.sh"
    path.write_text(f"accelerate launch {script} --network_module networks.lora --output_dir out {text}\n")
    return plans(path)[0]


def found(path: Path, *levels: str) -> set[str]:
    result = lint_file(path)
    assert not result.problems
    return {f.rule.id for f in result.found if f.level in levels}


def trainer_of(name: str, text: str) -> tuple[str, str] | None:
    recognised = recognise(read_text(name, text.encode()))
    return (recognised[0].TRAINER, recognised[1]) if recognised else None


@pytest.mark.parametrize(
    "name",
    ["sdxl_character.sh", "sdxl_dataset.toml", "flux_style.toml", "flux_style_dataset.toml", "folders.toml",
     "config_lora-20260301-101500.toml", "windows.bat", "windows.ps1"],
)  # fmt: skip
def test_good_files_have_no_finding(name: str) -> None:
    assert found(FIXTURES / name, "error", "warning") == set()


def test_broken_command() -> None:
    assert found(FIXTURES / "broken_alpha_and_captions.sh", "error") >= {
        "output-folder-missing",
        "warmup-refused-by-schedule",
        "text-encoder-cached-and-trained",
        "previews-without-prompts",
        "misspelt-key",
    }


def test_broken_flux() -> None:
    assert found(FIXTURES / "broken_flux_defaults.toml", "error", "warning") >= {
        "recommended-settings-missing",
        "huber-needs-another-schedule",
        "sd-noise-setting-unread",
        "network-arg-without-effect",
    }


def test_broken_dataset() -> None:
    assert found(FIXTURES / "broken_dataset.toml", "error") == {
        "wrong-type",
        "validation-share-not-a-float",
        "validation-split-in-subset",
        "foreign-key",
    }


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.sh", "python flux_train_network.py --network_dim 4", ("sd-scripts", "training")),
        ("a.sh", r'python "C:\sd-scripts\train_network.py" --network_dim 4', ("sd-scripts", "training")),
        ("a.sh", "python sdxl_train.py --output_dir out", ("sd-scripts", "training")),
        ("a.sh", "python src/musubi_tuner/flux_2_train_network.py --sdpa", ("musubi-tuner", "training")),
        ("a.sh", "python musubi-tuner/hv_train_network.py --sdpa", ("musubi-tuner", "training")),
        ("a.sh", "python networks/merge_lora.py --save_to a", None),
        ("a.toml", '[[datasets]]\nresolution = 512\n[[datasets.subsets]]\nimage_dir = "a"', ("sd-scripts", "dataset")),
        ("a.toml", '[[datasets.subsets]]\nimage_dir = "a"', ("sd-scripts", "dataset")),
        ("a.toml", '[[datasets]]\nimage_directory = "a"', ("musubi-tuner", "dataset")),
        ("a.json", '{"datasets": [{"subsets": [{"image_dir": "a"}]}]}', ("sd-scripts", "dataset")),
        ("a.json", '{"a.png": {"caption": "a ring", "train_resolution": [512, 512]}}', ("sd-scripts", "captions")),
        ("a.toml", '[prompt]\nwidth = 512\n[[prompt.subset]]\nprompt = "a"', ("sd-scripts", "sample prompts")),
        ("a.toml", '[network]\nnetwork_module = "lycoris.kohya"', ("sd-scripts", "training")),
        ("a.toml", 'name = "x"\nversion = "1"\n[dependencies]\na = 1', None),
    ],
)
def test_recognises(name: str, text: str, expected: tuple[str, str] | None) -> None:
    assert trainer_of(name, text) == expected


def test_command_merges_flags_dataset_and_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES.parents[2])
    plan = plans(FIXTURES / "sdxl_character.sh")[0]
    assert (plan.script, plan.model.family, plan.processes.value) == ("sdxl_train_network.py", "sdxl", 1)
    assert (plan.network.rank.value, plan.network.scale, plan.network.kind.value) == (16, 1.0, "lora")
    assert (plan.epochs.value, plan.steps.value, plan.batch_size.value) == (10, None, 2)
    assert plan.optimizer.weight_decay.value == 0.01
    assert plan.train_text_encoder.value is False
    assert plan.optimizer.text_encoder_learning_rate.value is None
    assert (plan.precision.compute.value, plan.precision.vae.value) == ("bf16", "fp32")
    assert plan.cache_latents.value
    assert plan.cache_text.value
    assert plan.validation.held_out.value == 0.1
    ring, reg = plan.datasets
    assert (ring.repeats.value, ring.resolution.value, ring.caption_extension.value) == (10, [1024], ".txt")
    assert ring.caption_extension.key == "general.caption_extension"
    assert reg.regularisation.value is True
    assert reg.repeats.value == 1


def test_flat_file_drops_section_names() -> None:
    plan = plans(FIXTURES / "flux_style.toml")[0]
    assert plan.model.family == "flux1"
    assert plan.learning_rate.value == 1e-4
    assert plan.learning_rate.key == "learning_rate"
    assert (plan.timesteps.sampling.value, plan.timesteps.guidance.value) == ("flux_shift", 1.0)
    assert plan.timesteps.shift.value is None  # flux_shift computes its own
    assert (plan.precision.base.value, plan.prompt_tokens.value) == ("fp8", 512)
    assert [d.folder.value for d in plan.datasets] == ["data/oak"]


def test_later_section_wins(tmp_path: Path) -> None:
    plan = config(tmp_path, "[a]\nnetwork_dim = 8\n[b]\nnetwork_dim = 32\n")
    assert plan.network.rank.value == 32
    assert "same-key-in-two-sections" in found(tmp_path / "config.toml", "warning")


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    text = "[n]\nnetwork_dim = 8\nnetwork_alpha = 4\nsharpness = 1\ntext_encoder_lr = 1e-5\n"
    (tmp_path / "base.toml").write_text(text)
    plan = command(tmp_path, f"--config_file {tmp_path}/base --network_dim 16")  # the suffix is added
    assert (plan.network.rank.value, plan.network.rank.key) == (16, "--network_dim")
    assert (plan.network.alpha.value, plan.network.alpha.key) == (4, "network_alpha")
    assert plan.network.scale == 0.25
    ids = found(tmp_path / "train.sh", "error", "warning")
    assert "unknown-key" in ids  # `sharpness`, in the file that is followed
    assert "wrong-type" not in ids  # one rate for the text encoders is allowed in a file


def test_unreadable_config_file_leaves_everything_open(tmp_path: Path) -> None:
    plan = command(tmp_path, "--config_file gone.toml --network_dim 16")
    assert plan.config.open
    assert plan.network.alpha.value is None
    assert plan.network.scale is None
    assert plan.saving.never is False
    assert "output-folder-missing" not in found(tmp_path / "train.sh", "error")


def test_defaults(tmp_path: Path) -> None:
    plan = command(tmp_path, "")
    assert (plan.network.rank.value, plan.network.alpha.value, plan.network.scale) == (4, 1, 0.25)
    assert (plan.learning_rate.value, plan.learning_rate.origin) == (2e-6, "default")
    assert (plan.steps.value, plan.batch_size.value) == (1600, 1)
    assert plan.optimizer.name.value == "AdamW"
    assert plan.optimizer.name.origin == "default"
    assert plan.precision.compute.value == "fp32"
    assert plan.saving.never is True
    assert plan.train_text_encoder.value is True
    assert plan.prompt_tokens.value == 75


@pytest.mark.parametrize(
    ("text", "kind", "scale"),
    [
        ("network_dim = 8\nnetwork_alpha = 8", "lora", 1.0),
        ("network_dim = 8\nnetwork_alpha = 0", "lora", 1.0),  # 0 means alpha = rank
        ('network_dim = 8\nnetwork_args = ["conv_dim=4"]', "locon", 0.125),
        ('network_dim = 16\nnetwork_alpha = 4\nnetwork_args = ["block_dims=2,2"]', "lora", None),
        ("network_dim = 16\ndim_from_weights = true", "lora", None),
    ],
)
def test_scale(tmp_path: Path, text: str, kind: str, scale: float | None) -> None:
    plan = config(tmp_path, text)
    assert plan.network.kind.value == kind
    assert plan.network.scale == scale


@pytest.mark.parametrize(
    ("args", "kind", "scale", "conv"),
    [
        ('["algo=loha"]', "loha", 0.5, 8),
        ('["algo=lora", "conv_dim=4"]', "locon", 0.5, 4),
        ('["algo=lokr", "factor=8"]', "lokr", None, 8),  # a full matrix would be scaled by 1
        ('["algo=locon", "dora_wd=True"]', "dora", 0.5, 8),
        ('["algo=locon", "rs_lora=True"]', "locon", 4 / 8**0.5, 8),
    ],
)
def test_lycoris(tmp_path: Path, args: str, kind: str, scale: float | None, conv: int) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'network_module = "lycoris.kohya"\nnetwork_dim = 8\nnetwork_alpha = 4\nnetwork_args = {args}\n')
    network = plans(path)[0].network
    assert (network.kind.value, network.conv_rank.value) == (kind, conv)
    assert network.scale == pytest.approx(scale) if scale else network.scale is None


def test_rates(tmp_path: Path) -> None:
    plan = config(tmp_path, "learning_rate = 1e-4\nunet_lr = 2e-4\ntext_encoder_lr = [5e-5, 1e-5]")
    assert plan.learning_rate.value == 2e-4
    assert plan.learning_rate.key == "unet_lr"
    assert plan.optimizer.text_encoder_learning_rate.value == 5e-5


def test_adafactor_has_no_rate_of_yours(tmp_path: Path) -> None:
    plan = config(tmp_path, 'learning_rate = 1e-4\noptimizer_type = "Adafactor"')
    assert plan.learning_rate.value is None
    assert plan.optimizer.scheduler.value == "adafactor"
    off = 'optimizer_args = ["relative_step=False"]'
    plan = config(tmp_path, f'learning_rate = 1e-4\noptimizer_type = "adafactor"\n{off}')
    assert plan.learning_rate.value == 1e-4
    assert plan.optimizer.scheduler.value == "constant"


@pytest.mark.parametrize(
    ("flags", "steps"),
    [("--lr_warmup_steps 100", 100), ("--lr_warmup_steps 10%", 200), ("--lr_warmup_steps 0.05", 100)],
)
def test_warmup(tmp_path: Path, flags: str, steps: float) -> None:
    plan = command(tmp_path, f"--lr_scheduler cosine --max_train_steps 2000 {flags}")
    assert plan.optimizer.warmup_steps.value == pytest.approx(steps)


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("save_every_n_steps = 250\nsave_last_n_steps = 1000", 5),
        ("save_every_n_steps = 250\nsave_last_n_steps = 2", 1),
        ("save_every_n_epochs = 1\nsave_last_n_epochs = 3", 3),
        ("save_every_n_epochs = 1", None),
    ],
)
def test_checkpoints_kept(tmp_path: Path, text: str, keep: int | None) -> None:
    assert config(tmp_path, text).saving.keep.value == keep


def test_sd_and_flow_settings_are_kept_apart(tmp_path: Path) -> None:
    sd = command(tmp_path, "--min_snr_gamma 5 --v_parameterization --noise_offset 0.05")
    assert (sd.timesteps.prediction.value, sd.timesteps.min_snr_gamma.value) == ("v", 5)
    assert sd.timesteps.shift.value is None
    flux = command(tmp_path, "--min_snr_gamma 5 --timestep_sampling shift", "flux_train_network.py")
    assert (flux.timesteps.prediction.value, flux.timesteps.shift.value) == ("flow", 3.0)
    assert flux.timesteps.min_snr_gamma.value is None
    assert flux.timesteps.guidance.value == 3.5


@pytest.mark.parametrize(
    ("script", "flags", "family"),
    [
        ("train_network.py", "", "sd15"),
        ("train_network.py", "--v2", "sd2"),
        ("flux_train_network.py", "--model_type chroma --apply_t5_attn_mask", "chroma"),
        ("sd3_train_network.py", "", "sd3"),
    ],
)
def test_script_declares_the_family(tmp_path: Path, script: str, flags: str, family: str) -> None:
    assert command(tmp_path, flags, script).model.declared.family == family


def test_other_scripts_are_no_lora(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text("python sdxl_train.py --output_dir out\npython train_textual_inversion.py --token_string zwx\n")
    assert [plan.kind for plan in plans(path)] == ["finetune", "textual inversion"]


def test_gui_toml_is_read_as_a_config_file() -> None:
    plan = plans(FIXTURES / "config_lora-20260301-101500.toml")[0]
    assert (plan.model.family, plan.prompt_tokens.value) == ("sdxl", 75)
    assert plan.optimizer.warmup_steps.value == pytest.approx(200)
    assert plan.steps.value == 2000  # `epoch` is the GUI's, not the script's


def test_script_named_by_a_variable(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text(
        'script="train_network.py"\nif [[ $1 == sdxl ]]; then script="sdxl_train_network.py"; fi\n'
        "accelerate launch $launch_args --num_processes=1 $script --network_module=networks.lora --network_dim=8 \\\n"
        "  --pretrained_model_name_or_path=models/sd_xl_base_1.0.safetensors --output_dir=out ${more[@]}\n"
    )
    plan = plans(path)[0]
    assert (plan.script, plan.model.family, plan.network.rank.value) == ("", "sdxl", 8)
    assert plan.config.open
    assert found(path, "error", "warning") == set()


def test_what_a_file_alone_leaves_out_may_be_a_flag(tmp_path: Path) -> None:
    config(tmp_path, "sample_every_n_epochs = 1\nfull_bf16 = true\n")
    assert {"previews-without-prompts", "half-precision-mismatch"} <= found(tmp_path / "config.toml", "warning")
    command(tmp_path, "--sample_every_n_epochs 1 --full_bf16")
    assert {"previews-without-prompts", "half-precision-mismatch"} <= found(tmp_path / "train.sh", "error")


def test_concept_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train/10_zwx ring/a.png", "train/10_zwx ring/b.jpg", "train/3_sand/c.webp", "train/notes/d.png",
                 "reg/1_ring/e.png", "train/10_zwx ring/a.txt", "train/10_zwx ring/b.txt"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("zwx ring" if name.endswith("txt") else "")
    (tmp_path / "folders.toml").write_bytes((FIXTURES / "folders.toml").read_bytes())
    monkeypatch.chdir(tmp_path)
    plan = plans(Path("folders.toml"))[0]
    ring, sand, reg = plan.datasets
    assert (ring.folder.value, ring.repeats.value, ring.caption_source.value) == ("train/10_zwx ring", 10, "files")
    assert (sand.repeats.value, sand.caption_source.value) == (3, "folder")
    assert reg.regularisation.value is True
    assert reg.repeats.value == 23
    assert samples_per_epoch(plan) == 46
    assert exposures_per_image(plan) is not None
    assert found(Path("folders.toml"), "error", "warning") >= {"folders-without-repeats"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("10_zwx ring", (10, "zwx ring")), ("5_a_b", (5, "a_b")), ("7", (7, "")), ("0_off", None), ("ring", None),
     ("10ring_x", None)],
)  # fmt: skip
def test_folder_names(name: str, expected: tuple[int, str] | None) -> None:
    assert repeats_and_concept(name) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1024,1024", [1024]), ("768", [768]), (512, [512]), ([1024, 576], [768]), ("wide", None), (True, None)],
)
def test_edges(value: object, expected: list[int] | None) -> None:
    assert edges(value) == expected


def test_dataset_levels(tmp_path: Path) -> None:
    (tmp_path / "data.toml").write_text(
        "[general]\nkeep_tokens = 1\n[[datasets]]\nresolution = 768\nkeep_tokens = 2\n"
        '[[datasets.subsets]]\nimage_dir = "a"\nkeep_tokens = 3\n[[datasets.subsets]]\nimage_dir = "b"\n'
        '[[datasets.subsets]]\nimage_dir = "a"\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = "c"\nnum_repeats = 0\n'
        '[[datasets.subsets]]\nimage_dir = "d"\n'
    )
    plan = command(tmp_path, f"--dataset_config {tmp_path}/data.toml --resolution 1024,1024 --caption_extension txt")
    assert [(d.folder.value, d.keep_tokens.value) for d in plan.datasets] == [("a", 3), ("b", 2), ("d", 1)]
    assert [d.resolution.value for d in plan.datasets] == [[768], [768], [1024]]
    assert {d.caption_extension.value for d in plan.datasets} == {".txt"}  # the dot is added


def test_dataset_alone_does_not_guess_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "data.toml"
    path.write_text('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "a"\n')
    data = plans(path)[0].datasets[0]
    assert data.caption_extension.value is None
    assert data.resolution.value is None
    assert data.repeats.value == 1


def test_previews(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("# comment\na zwx ring --w 1024 --h 768 --s 25 --d 7 --l 6.5\n")
    every = "--sample_every_n_epochs 1 --sample_every_n_steps 9"
    plan = command(tmp_path, f"--sample_prompts {tmp_path}/prompts.txt {every}")
    preview = plan.validation
    assert preview.prompts.value == ["a zwx ring"]
    assert (preview.size.value, preview.sampler_steps.value, preview.seed.value) == ([1024, 768], 25, 7)
    assert preview.guidance.value == 6.5
    assert preview.every_epochs.value == 1
    assert preview.every_steps.value is None


def test_windows_scripts() -> None:
    shell = plans(FIXTURES / "windows.ps1")[0]
    assert (shell.script, shell.network.rank.value, shell.learning_rate.value) == ("sdxl_train_network.py", 32, 1e-4)
    assert shell.config.open  # `$ext_args` may hold anything
    batch = plans(FIXTURES / "windows.bat")[0]
    assert (batch.script, batch.timesteps.shift.value) == ("flux_train_network.py", 3.1582)


def test_a_command_that_only_names_a_script_runs_nothing(tmp_path: Path) -> None:
    script = tmp_path / "prepare.sh"
    script.write_text("pkill -f sdxl_train_network.py\ncp sd-scripts/train_network.py backup/\n", encoding="utf-8")
    assert recognise(read_file(script)) is None


def test_presets_of_lora_scripts(tmp_path: Path) -> None:
    """Its window drops empty fields and makes numbers of text before a script sees them."""
    preset = tmp_path / "preset.toml"
    preset.write_text(
        '[metadata]\nname = "zwx"\n[data]\nmodel_train_type = "sdxl-lora"\nnetwork_module = "lycoris.kohya"\n'
        'network_dim = 16\nunet_lr = "1e-4"\nmin_snr_gamma = ""\nlycoris_algo = "lokr"\nsample_every_n_epochs = 2\n',
        encoding="utf-8",
    )
    (plan,) = plans(preset)
    assert plan.model.declared.family == "sdxl"
    assert not plan.config.has("min_snr_gamma")
    assert [(found.rule.id, found.level) for found in lint_file(preset).found if found.level != "note"] == []


FINE_TUNE = (
    'pretrained_model_name_or_path = "sdxl.safetensors"\nlearning_rate = 1e-7\nmax_train_steps = 20\n'
    'output_name = "x"\ntrain_text_encoder = false\n'
)
ANOTHER = (
    "[job]\npriority = 0\nmax_retries = 2\n[model]\nmodel_name_or_path = 'flux'\n"
    "[training]\nnetwork_rank = 32\nnetwork_alpha = 16\nlearning_rate = 1e-4\nmax_train_epochs = 20\n"
)


@pytest.mark.parametrize(("text", "kind"), [(FINE_TUNE, "finetune"), (ANOTHER, None)])
def test_config_files_of_others(text: str, kind: str | None) -> None:
    recognised = recognise(read_text("config.toml", text.encode()))
    assert (recognised and recognised[1]) == kind
