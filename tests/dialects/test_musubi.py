"""musubi-tuner: which files are its own, and what a command, config file or dataset config comes to."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.derived import coverage
from lora_doctor.dialects import musubi, recognise
from lora_doctor.dialects.kohya_prompts import parse_line, read_prompts
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file

FIXTURES = Path(__file__).parents[2] / "fixtures" / "configs" / "musubi"


def plans(path: Path) -> tuple[Plan, ...]:
    document = read_file(path)
    recognised = recognise(document)
    assert recognised is not None, f"{path.name} is not recognised"
    dialect, kind = recognised
    assert dialect.TRAINER == "musubi-tuner", dialect.TRAINER
    reader = Reader()
    found = dialect.read(document, kind, reader)
    assert not reader.problems
    return found


def command(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "train.sh"
    path.write_text(text)
    return plans(path)[-1]


def found(path: Path, *levels: str) -> set[str]:
    result = lint_file(path)
    assert not result.problems
    return {f.rule.id for f in result.found if f.level in levels}


@pytest.mark.parametrize("name", ["klein_9b.sh", "klein_9b_dataset.toml", "klein_4b_config.toml", "dataset.json",
                                  "config_file_overruled.sh"])  # fmt: skip
def test_good_files_have_no_finding(name: str) -> None:
    assert found(FIXTURES / name, "error", "warning") == set()


def test_script_gives_one_plan_per_command() -> None:
    latents, text, training = plans(FIXTURES / "klein_9b.sh")
    assert [plan.kind for plan in (latents, text, training)] == ["caching", "caching", "training"]
    assert training.script == "flux_2_train_network.py"
    assert [config.table.name for config in training.prepared_by] == [
        "flux_2_cache_latents.py",
        "flux_2_cache_text_encoder_outputs.py",
    ]
    assert text.model.size == "9B"
    assert text.text_encoder.found.encoder == "qwen3-8b"


def test_training_command_in_plan_units() -> None:
    plan = plans(FIXTURES / "klein_9b.sh")[-1]
    assert (plan.model.family, plan.model.size, plan.model.variant) == ("flux2-klein", "9B", "base")
    assert (plan.network.kind.value, plan.network.rank.value, plan.network.scale) == ("lora", 32, 1.0)
    assert plan.network.dtype.value == "fp32"
    assert (plan.steps.value, plan.epochs.value, plan.epochs.origin) == (None, 16, "written")
    assert plan.optimizer.name.value == "adamw8bit"
    assert plan.get("lr_warmup_steps").value == pytest.approx(0.05)
    assert plan.optimizer.warmup_steps.value is None  # a share of steps that the number of images decides
    assert (plan.precision.compute.value, plan.precision.base.value) == ("bf16", "fp8")
    assert plan.precision.vae.value == "fp32"
    assert plan.processes.value == 1
    assert plan.batch_size.value == 1
    assert plan.datasets[0].repeats.value == 4
    assert plan.datasets[0].resolution.value == [1024]
    assert plan.datasets[0].buckets.value is True
    assert plan.cache_latents.value is True


def test_previews_are_read_from_the_prompt_file() -> None:
    validation = plans(FIXTURES / "klein_9b.sh")[-1].validation
    assert validation.prompts.value is not None
    assert len(validation.prompts.value) == 2
    assert validation.guidance.value == 4.0
    assert validation.sampler_steps.value == 50
    assert validation.size.value == [1024, 1024]
    assert validation.seed.value == 7


def test_config_file_alone_is_a_run() -> None:
    (plan,) = plans(FIXTURES / "klein_4b_config.toml")
    assert plan.kind == "training"
    assert plan.script == ""  # what is missing may be on the command line
    assert plan.network.rank.value == 16
    assert plan.optimizer.weight_decay.value == 0.02
    assert plan.steps.value == 1500
    assert plan.accumulation.value == 2
    assert plan.saving.keep.value == 5  # 1000 steps back at 250 a step, and the newest
    assert plan.get("network_dim").key == "network.network_dim"


def test_flags_win_over_the_config_file() -> None:
    (plan,) = plans(FIXTURES / "config_file_overruled.sh")
    assert plan.learning_rate.value == 5e-5
    assert plan.learning_rate.place is not None
    assert plan.learning_rate.place.document.syntax == "shell"
    assert plan.network.rank.value == 16
    assert plan.network.rank.place is not None
    assert plan.network.rank.place.document.name.endswith("klein_4b_config.toml")
    assert plan.model.size == "4B"


def test_unreadable_config_file_makes_nothing_of_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text("accelerate launch flux_2_train_network.py --config_file elsewhere.toml --network_dim 8\n")
    (plan,) = plans(path)
    assert plan.learning_rate.origin == "unknown"
    assert plan.network.scale is None
    assert found(path, "error", "warning", "note") == set()


@pytest.mark.parametrize(
    ("flags", "scale"),
    [
        ("--network_dim 32", 1 / 32),
        ("--network_dim 32 --network_alpha 0", 1.0),
        ("--network_dim 32 --network_alpha 16", 0.5),
        ("", 1 / 4),  # rank 4 by default (networks/lora.py)
    ],
)
def test_scale_is_alpha_over_rank(tmp_path: Path, flags: str, scale: float) -> None:
    plan = command(tmp_path, f"python flux_2_train_network.py --network_module networks.lora_flux_2 {flags}\n")
    assert plan.network.scale == pytest.approx(scale)


def test_adapter_kinds(tmp_path: Path) -> None:
    base = "python flux_2_train_network.py --network_module"
    assert command(tmp_path, f"{base} networks.lokr\n").network.kind.value == "lokr"
    assert command(tmp_path, f"{base} lycoris.kohya --network_args algo=loha\n").network.kind.value == "loha"
    assert command(tmp_path, "python qwen_image_train.py --dit x\n").network.kind.value == "full"


def test_excluded_patterns_reach_the_plan(tmp_path: Path) -> None:
    plan = command(
        tmp_path,
        "python flux_2_train_network.py --model_version klein-base-4b --network_module networks.lora_flux_2 "
        "--network_args \"exclude_patterns=['.*single.*']\"\n",
    )
    assert plan.network.excluded.value == "(?:.*single.*)"
    assert plan.network.targets.written
    reached = coverage(plan)
    assert reached is not None
    assert (reached.blocks_reached, reached.blocks_total) == (5, 25)


@pytest.mark.parametrize(
    ("flags", "steps"),
    [
        ("--lr_warmup_steps 100", 100),
        ("--lr_warmup_steps 100.0", 100),  # the flag's own type makes it an integer
        ("--lr_warmup_steps 0.1", 160),  # of 1600 steps, the default
        ("--lr_warmup_steps 5% --max_train_steps 2000", 100),
    ],
)
def test_warmup_in_steps(tmp_path: Path, flags: str, steps: float) -> None:
    assert command(tmp_path, f"python flux_2_train_network.py {flags}\n").optimizer.warmup_steps.value == steps


def test_warmup_is_shared_by_the_devices(tmp_path: Path) -> None:
    text = "accelerate launch --num_processes 4 flux_2_train_network.py --lr_warmup_steps 100\n"
    assert command(tmp_path, text).optimizer.warmup_steps.value == 25


def test_dev_by_default(tmp_path: Path) -> None:
    plan = command(tmp_path, "python flux_2_train_network.py --dit models/flux2.safetensors\n")
    assert (plan.model.family, plan.model.variant) == ("flux2-dev", "dev")


def test_step_limit_of_1600_unless_there_are_epochs(tmp_path: Path) -> None:
    assert command(tmp_path, "python flux_2_train_network.py --sdpa\n").steps.value == 1600
    plan = command(tmp_path, "python flux_2_train_network.py --max_train_steps 10 --max_train_epochs 2\n")
    assert (plan.steps.value, plan.epochs.value) == (None, 2)


@pytest.mark.parametrize(
    "text",
    [
        "python src/musubi_tuner/wan_train_network.py --task t2v-14B --dit w.safetensors\n",
        "accelerate launch --mixed_precision bf16 wan_train_network.py --anything_else 3\n",
        "python -m musubi_tuner.flux_2_train_network --sdpa\n",
        "uv run accelerate launch src\\musubi_tuner\\zimage_train_network.py --dit z\n",
        "python D:/musubi-tuner/cache_latents.py --dataset_config d.toml\n",
        "python src/musubi_tuner/ltx2_train_network.py --dit x\n",
    ],
)
def test_recognised_commands(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.bat"
    path.write_text(text)
    plans(path)
    assert "unknown-key" not in found(path, "warning", "error")


@pytest.mark.parametrize(
    "text",
    [
        "accelerate launch sd-scripts/flux_train_network.py --network_dim 8\n",
        "accelerate launch hunyuan_image_train_network.py --network_dim 8\n",
        "python tools/cache_latents.py --dataset_config d.toml\n",
        "python train_network.py --network_dim 8\n",
    ],
)
def test_sd_scripts_commands_are_not_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.sh"
    path.write_text(text)
    assert musubi.recognise(read_file(path)) is None


@pytest.mark.parametrize(
    "text",
    [
        'pretrained_model_name_or_path = "sdxl.safetensors"\nnetwork_module = "networks.lora"\nnetwork_dim = 8\n',
        '[[datasets]]\nresolution = 1024\n[[datasets.subsets]]\nimage_dir = "data"\n',
        '[model]\ntype = "flux2"\n[adapter]\nrank = 8\n',
    ],
)
def test_other_toml_is_not_ours(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    assert musubi.recognise(read_file(path)) is None


def test_dataset_folder_as_musubi_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = tmp_path / "data"
    (images / "more").mkdir(parents=True)
    for name in ("a.png", "b.avif", "c.gif", "more/d.png", "a.txt", "a_0512x0512_f2k4b.safetensors"):
        (images / name).touch()
    (tmp_path / "d.toml").write_text(
        '[general]\nresolution = [960, 544]\n[[datasets]]\nimage_directory = "data"\ncaption_extension = ".txt"\n'
        'batch_size = 2\n[[datasets]]\nimage_jsonl_file = "x.jsonl"\ncache_directory = "cache"\n'
    )
    (plan,) = plans(Path("d.toml"))
    folder, table = plan.datasets
    assert folder.listing is not None
    assert folder.listing.images == ("a.png", "b.avif")
    assert set(folder.listing.unread_images) == {"c.gif", "more/d.png"}
    assert folder.resolution.value == [723]  # of the area
    assert folder.resolution.written
    assert folder.buckets.value is False
    assert folder.batch_size.value == 2
    assert folder.caption_extension.value == ".txt"
    assert folder.caches is not None
    assert "a_0512x0512_f2k4b.safetensors" in folder.caches.images
    assert table.caption_source.value == "json"
    assert table.caption_extension.value is None


def test_broken_files_are_told(tmp_path: Path) -> None:
    assert found(FIXTURES / "dataset_refused.toml", "error") == {
        "dataset-value-refused", "no-caption-extension", "wrong-type", "cache-folder-shared"
    }  # fmt: skip
    assert found(FIXTURES / "documented_command.sh", "error", "warning") == {
        "model-version-left-at-dev", "alpha-left-at-default"
    }  # fmt: skip
    ported = found(FIXTURES / "ported_from_sd_scripts.sh", "error")
    assert {"optimizer-not-importable", "network-module-of-another-model", "network-arg-not-read",
            "blocks-to-swap-beyond-limit", "fp8-scaled-without-fp8-base", "no-attention-for-training",
            "warmup-with-constant-schedule", "output-without-name"} == ported  # fmt: skip


def test_prompt_lines() -> None:
    assert parse_line("zwx, a ring --w 512 --s 30 --g 4.5 --n blurry, dark --x 1") == {
        "prompt": "zwx, a ring",
        "width": 512,
        "sample_steps": 30,
        "guidance_scale": 4.5,
        "negative_prompt": "blurry, dark",
    }


def test_prompt_files(tmp_path: Path) -> None:
    toml = tmp_path / "p.toml"
    toml.write_text(
        '[prompt]\nwidth = 512\n[[prompt.subset]]\nprompt = "a"\n[[prompt.subset]]\nprompt = "b"\nwidth = 64\n'
    )
    assert read_prompts(toml) == [{"prompt": "a", "width": 512}, {"prompt": "b", "width": 64}]
    broken = tmp_path / "p.json"
    broken.write_text("{")
    assert read_prompts(broken) is None
    assert read_prompts(tmp_path / "missing.txt") is None


def test_unknown_variable_makes_nothing_of_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text('python flux_2_train_network.py --network_dim 8 $EXTRA\n')
    (plan,) = plans(path)
    assert plan.learning_rate.origin == "unknown"
    assert found(path, "error", "warning", "note") == set()
