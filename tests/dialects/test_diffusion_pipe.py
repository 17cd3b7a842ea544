"""diffusion-pipe: which files are its own, and what its loader makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.derived import effective_batch, exposures_per_image, samples_per_epoch, total_steps
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file, read_text

FIXTURES = Path(__file__).parents[2] / "fixtures" / "configs" / "diffusion-pipe"
MAIN = 'output_dir = "out"\ndataset = "dataset.toml"\nepochs = 10\nsave_every_n_epochs = 1\n'
KLEIN = '[model]\ntype = "flux2"\ndiffusion_model = "flux-2-klein-base-4b.safetensors"\ndtype = "bfloat16"\n'
SDXL = '[model]\ntype = "sdxl"\ncheckpoint_path = "sd_xl_base_1.0.safetensors"\ndtype = "bfloat16"\n'


def plans(path: Path) -> tuple[Plan, ...]:
    document = read_file(path)
    recognised = recognise(document)
    assert recognised is not None
    assert recognised[0].TRAINER == "diffusion-pipe"
    return recognised[0].read(document, recognised[1], Reader())


def plan_of(text: str, folder: Path, **beside: str) -> Plan:
    for name, content in beside.items():
        (folder / f"{name}.toml").write_text(content)
    (folder / "config.toml").write_text(text)
    (plan,) = plans(folder / "config.toml")
    return plan


def images(folder: Path, count: int, captions: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i:02}.png").touch()
        if captions:
            (folder / f"{i:02}.txt").write_text("a photo")


@pytest.mark.parametrize(
    "text, kind",
    [
        (MAIN + KLEIN, "training"),
        (KLEIN, "training"),
        ('[model]\ntype = "flux"\nname = "my website"\ncolour = "red"\n', None),
        ('dataset = "d.toml"\noutput_dir = "o"\nepochs = 3\n[adapter]\nrank = 8\n', "training"),
        ('[[directory]]\npath = "images"\n', "dataset"),
        ("resolutions = [512]\nenable_ar_bucket = true\n", "dataset"),
        ('[tool.ruff]\nline-length = 100\n', None),
    ],
)
def test_recognises(text: str, kind: str | None) -> None:
    found = recognise(read_text("config.toml", text.encode()), "diffusion-pipe")
    assert (found[1] if found else None) == kind


@pytest.mark.parametrize(
    "line, known",
    [
        ("deepspeed --num_gpus=1 train.py --deepspeed --config x.toml", True),
        ("A=1 deepspeed --num_gpus 2 ./diffusion-pipe/train.py --deepspeed --config=x.toml", True),
        ("python train.py --deepspeed --config x.toml", True),
        ("python train.py --config x.toml", False),
        ("deepspeed finetune.py --deepspeed --config x.toml", False),
    ],
)
def test_recognises_launch_lines(line: str, known: bool) -> None:
    assert (recognise(read_text("run.sh", line.encode()), "diffusion-pipe") is not None) == known


def test_klein() -> None:
    (plan,) = plans(FIXTURES / "klein_9b.toml")
    assert (plan.model.family, plan.model.size, plan.model.variant) == ("flux2-klein", "9B", "base")
    assert plan.text_encoder.found.encoder == "qwen3-8b"
    assert plan.vae.found.vae == "flux2"
    assert (plan.network.kind.value, plan.network.rank.value, plan.network.scale) == ("lora", 32, 1.0)
    assert (plan.network.alpha.value, plan.network.alpha.origin) == (32, "default")
    precision = plan.precision
    assert (precision.compute.value, precision.base.value, precision.save.value) == ("bf16", "fp8", "bf16")
    assert (plan.timesteps.sampling.value, plan.timesteps.shift.value) == ("logit_normal", 3)
    assert plan.timesteps.prediction.value == "flow"
    assert (plan.epochs.value, plan.steps.value, plan.batch_size.value, plan.accumulation.value) == (60, None, 1, 2)
    assert plan.saving.keep.value == 0
    assert plan.saving.resumable.value is True
    assert plan.prompt_tokens.value == 512
    assert plan.train_text_encoder.value is False
    assert [data.prefix for data in plan.datasets] == ["directory.0", "directory.1"]
    assert [data.repeats.value for data in plan.datasets] == [2, 1]
    assert plan.datasets[1].masks.value == "/data/zwx/full_body_masks"
    assert plan.datasets[0].resolution.value == [1024]
    assert len(plan.dataset_configs) == 2  # the training set and the held-out one


def test_sdxl_trains_its_text_encoders(tmp_path: Path) -> None:
    (plan,) = plans(FIXTURES / "sdxl.toml")
    assert plan.train_text_encoder.value is True
    assert plan.learning_rate.key == "model.unet_lr"
    assert plan.optimizer.text_encoder_learning_rate.value == 2e-5
    assert (plan.precision.vae.value, plan.timesteps.prediction.value) == ("fp32", "epsilon")
    assert plan.cache_text.value is False
    assert plan.datasets[0].caption_dropout.value == 0.05
    frozen = plan_of(MAIN + SDXL + "text_encoder_1_lr = 0\ntext_encoder_2_lr = 0\nv_pred = true\n", tmp_path)
    assert frozen.train_text_encoder.value is False
    assert frozen.timesteps.prediction.value == "v"
    assert frozen.timesteps.zero_terminal_snr.value is True


def test_launch_line() -> None:
    (plan,) = plans(FIXTURES / "launch.sh")
    assert plan.launch is not None
    assert plan.processes.value == 2  # four cards, two for each copy
    assert plan.saving.resume.value == "20260820_11-22-33"
    assert plan.saving.resume.key == "--resume_from_checkpoint"
    assert plan.saving.resume.place is not None
    assert plan.saving.resume.place.document.name.endswith("launch.sh")


def test_included_devices(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(MAIN + KLEIN)
    (tmp_path / "run.sh").write_text("deepspeed --include localhost:0,2,3 train.py --deepspeed --config x.toml\n")
    (plan,) = plans(tmp_path / "run.sh")
    assert plan.processes.value == 3


def test_unknown_flag_on_the_launch_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(MAIN + KLEIN)
    (tmp_path / "run.sh").write_text("deepspeed train.py --deepspeed --config x.toml --learning_rate 1e-4\n")
    found = [each for each in lint_file(tmp_path / "run.sh").found if each.finding.key == "--learning_rate"]
    assert [each.rule.id for each in found] == ["unknown-key"]


def test_forced_rate_overrules_all(tmp_path: Path) -> None:
    text = MAIN + 'force_constant_lr = 1e-5\nwarmup_steps = 10\nlr_scheduler = "linear"\n' + KLEIN
    plan = plan_of(text + '[optimizer]\ntype = "adamw"\nlr = 1e-4\n', tmp_path)
    assert plan.learning_rate.value == 1e-5
    assert (plan.optimizer.scheduler.value, plan.optimizer.warmup_steps.value) == ("constant", 0)


@pytest.mark.parametrize(
    "optimizer, rate, decay",
    [
        ("adamw", 1e-3, 0.01),
        ("Automagic", 1e-6, 0.0),
        ("Prodigy", 1.0, 0.0),
        ("adamw_optimi", None, 0.01),  # has no default rate and stops
        ("Lion", None, None),
    ],
)
def test_default_rate_depends_on_the_optimiser(
    tmp_path: Path, optimizer: str, rate: float | None, decay: float | None
) -> None:
    plan = plan_of(MAIN + KLEIN + f'[optimizer]\ntype = "{optimizer}"\n', tmp_path)
    assert plan.learning_rate.value == rate
    assert not plan.learning_rate.written
    assert plan.optimizer.weight_decay.value == decay


def test_without_adapter_everything_is_trained(tmp_path: Path) -> None:
    assert plan_of(MAIN + KLEIN, tmp_path).network.kind.value == "full"


def test_save_interval_in_examples(tmp_path: Path) -> None:
    text = MAIN.replace("save_every_n_epochs = 1", "save_every_n_examples = 800")
    text += "micro_batch_size_per_gpu = 2\ngradient_accumulation_steps = 4\n" + KLEIN
    assert plan_of(text, tmp_path).saving.every_steps.value == 100


def test_counts(tmp_path: Path) -> None:
    images(tmp_path / "a", 10)
    images(tmp_path / "b", 4)
    dataset = (
        'resolutions = [768, 1024, 1024]\nenable_ar_bucket = false\nnum_repeats = 3\n'
        f'[[directory]]\npath = "{tmp_path / "a"}"\n'
        f'[[directory]]\npath = "{tmp_path / "b"}"\nnum_repeats = 1\nresolutions = [512]\ncache_shuffle_num = 5\n'
    )
    plan = plan_of(MAIN + "micro_batch_size_per_gpu = 2\n" + KLEIN, tmp_path, dataset=dataset)
    assert [data.resolution.value for data in plan.datasets] == [[768, 1024], [512]]
    assert [data.repeats.value for data in plan.datasets] == [3, 5]
    assert samples_per_epoch(plan) == 10 * 3 * 2 + 4 * 5
    assert effective_batch(plan) == 2
    assert total_steps(plan) == 10 * 80 / 2
    assert exposures_per_image(plan) == pytest.approx(800 / 14)


def test_batch_per_resolution(tmp_path: Path) -> None:
    images(tmp_path / "a", 4)
    dataset = f'resolutions = [1000]\nenable_ar_bucket = false\n[[directory]]\npath = "{tmp_path / "a"}"\n'
    text = MAIN + "micro_batch_size_per_gpu = [[512, 4], [1024, 1]]\n" + KLEIN
    assert plan_of(text, tmp_path, dataset=dataset).batch_size.value == 1


def test_size_buckets_are_no_second_pass(tmp_path: Path) -> None:
    dataset = 'size_buckets = [[1024, 1024, 1], [832, 1216, 1], [1216, 832, 1]]\n[[directory]]\npath = "a"\n'
    plan = plan_of(MAIN + KLEIN, tmp_path, dataset=dataset)
    assert plan.datasets[0].resolution.value == [1015]
    assert plan.datasets[0].buckets.value is True


def test_captions_json_counts_captions(tmp_path: Path) -> None:
    images(tmp_path / "a", 2, captions=False)
    captions = {"00.png": ["one", "two", "three"], "01.png": ["one", "two", "three"]}
    (tmp_path / "a" / "captions.json").write_text(json.dumps(captions))
    dataset = f'resolutions = [512]\n[[directory]]\npath = "{tmp_path / "a"}"\nnum_repeats = 2\n'
    (data,) = plan_of(MAIN + KLEIN, tmp_path, dataset=dataset).datasets
    assert data.caption_source.value == "json"
    assert data.repeats.value == 6


def test_listing_is_flat_and_knows_masks(tmp_path: Path) -> None:
    images(tmp_path / "a", 2)
    images(tmp_path / "a" / "masks", 2, captions=False)
    (tmp_path / "a" / "03.jxl").touch()
    dataset = f'resolutions = [512]\n[[directory]]\npath = "{tmp_path}/a"\nmask_path = "{tmp_path}/a/masks"\n'
    (data,) = plan_of(MAIN + KLEIN, tmp_path, dataset=dataset).datasets
    assert data.listing is not None
    assert data.mask_listing is not None
    assert data.listing.images == ("00.png", "01.png")
    assert "03.jxl" in data.listing.unread_images
    assert data.mask_listing.images == ("00.png", "01.png")
    assert "images-passed-over" in ids(tmp_path / "config.toml")  # for the .jxl, not for the masks


def ids(path: Path) -> set[str]:
    return {each.rule.id for each in lint_file(path).found}


@pytest.mark.parametrize(
    "name", ["klein_9b.toml", "sdxl.toml", "two_stages.toml", "launch.sh", "klein_9b_dataset.toml", "held_out.toml"]
)
def test_good_ones_are_good(name: str) -> None:
    result = lint_file(FIXTURES / name)
    assert not result.problems
    assert [each.finding.sentence for each in result.found if each.level != "note"] == []


def test_what_is_passed_around_as_the_klein_config_can_not_run() -> None:
    result = lint_file(FIXTURES / "incomplete_klein.toml")
    found = {(each.rule.id, each.finding.key) for each in result.found if each.level == "error"}
    assert {("missing-key", key) for key in ("output_dir", "dataset", "epochs")} <= found
    assert ("never-saves", "save_every_n_epochs") in found
    assert ("adapter-alpha", "adapter.alpha") in found
    assert "kahan-on-new-bitsandbytes" in {each.rule.id for each in result.found}
    assert "missing-key" in ids(FIXTURES / "dataset_without_directory.toml")


def test_late_crashes_are_told_before_the_start() -> None:
    expected = """
        adapter-file-instead-of-folder ar-bucket-limits-missing eval-datasets-as-strings
        flux-shift-overruled foreign-key fractional-warmup gradient-release mixed-array
        more-than-three-resolutions optimizer-name-case regenerate-cache-in-config
        resolutions-in-directory-only text-encoder-type too-many-blocks-swapped value-not-accepted
        wandb-without-key zero-interval zero-max-steps zero-repeats
    """
    found = {each.rule.id for each in lint_file(FIXTURES / "late_crashes.toml").found if each.level == "error"}
    assert set(expected.split()) <= found


def test_byte_order_mark() -> None:
    result = lint_file(FIXTURES / "byte_order_mark.toml")
    errors = [each.finding.message for each in result.found if each.level == "error"]
    assert errors == ["the file begins with a byte order mark: the first setting, `output_dir`, is lost"]


def test_lokr_takes_a_float_rank_and_lora_does_not(tmp_path: Path) -> None:
    adapter = '[adapter]\ntype = "{}"\nrank = 1e6\n'
    (tmp_path / "lokr.toml").write_text(MAIN + KLEIN + adapter.format("lokr"))
    (tmp_path / "lora.toml").write_text(MAIN + KLEIN + adapter.format("lora"))
    assert "wrong-type" not in ids(tmp_path / "lokr.toml")
    assert "wrong-type" in ids(tmp_path / "lora.toml")


def test_steps_may_come_before_the_epochs(tmp_path: Path) -> None:
    text = MAIN.replace("epochs = 10\n", "max_steps = 100\n", 1) + KLEIN
    (tmp_path / "config.toml").write_text(text)
    found = [each for each in lint_file(tmp_path / "config.toml").found if each.finding.key == "epochs"]
    assert [(each.rule.id, each.level) for each in found] == [("max-steps-without-epochs", "warning")]


def test_a_missing_dataset_config_is_no_fault(tmp_path: Path) -> None:
    plan = plan_of(MAIN + KLEIN, tmp_path)
    assert plan.datasets == ()
    assert plan.batch_size.value == 1
