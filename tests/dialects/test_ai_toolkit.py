"""ai-toolkit jobs: what is recognised, and what its loader makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.derived import coverage, effective_batch, exposures_per_image, samples_per_epoch, total_steps
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import lint_file
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file, read_text

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "configs" / "ai-toolkit"


def plans(path: Path) -> tuple[Plan, ...]:
    document = read_file(path)
    found = recognise(document)
    assert found is not None, f"{path.name} is not recognised"
    dialect, kind = found
    assert dialect.TRAINER == "ai-toolkit"
    return dialect.read(document, kind, Reader())


def job(tmp_path: Path, body: str, *, name: str = "zwx") -> Plan:
    """The plan of a one-process job with these lines in its process."""
    lines = "".join(f"      {line}\n" for line in body.strip("\n").split("\n"))
    head = (
        f"job: extension\nconfig:\n  name: {name}\n  process:\n    - type: sd_trainer\n      training_folder: output\n"
    )
    path = tmp_path / "job.yaml"
    path.write_text(head + lines, encoding="utf-8")
    (plan,) = plans(path)
    return plan


KLEIN = "model:\n  arch: flux2_klein_4b\n  name_or_path: black-forest-labs/FLUX.2-klein-base-4B\n"
SDXL = "model:\n  arch: sdxl\n  name_or_path: stabilityai/stable-diffusion-xl-base-1.0\n"


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("klein_4b_subject.yaml", ["training"]),
        ("sdxl_style.json", ["training"]),
        ("ui_export.jsonc", ["training"]),
        ("two_processes.yaml", ["training", "training"]),
        ("sections_beside_process.yaml", ["misnested"]),
        ("age_slider.yaml", ["slider"]),
        ("extract_difference.yaml", ["extract"]),
        ("train_both.sh", ["training", "training"]),
    ],
)
def test_kinds(name: str, kinds: list[str]) -> None:
    assert [plan.kind for plan in plans(FIXTURES / name)] == kinds


@pytest.mark.parametrize(
    "text",
    [
        "name: CI\non: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n",
        "job: build\nsteps:\n  - run: make\n",
        "model:\n  name_or_path: bert-base\ntrain:\n  lr: 1e-4\n",
        "config:\n  process:\n    - name: web\n",
    ],
)
def test_other_yaml_is_left_alone(text: str) -> None:
    assert recognise(read_text("some.yaml", text.encode())) is None


def test_script_of_another_program_is_left_alone() -> None:
    assert recognise(read_text("a.sh", b"python run.py --port 8080\npython tools/rerun.py config/x.yaml\n")) is None


def test_good_configs_have_no_errors_or_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    good = ("klein_4b_subject.yaml", "sdxl_style.json", "age_slider.yaml", "extract_difference.yaml", "train_both.sh")
    for name in good:
        result = lint_file(Path(name))
        assert not result.problems
        assert [found.finding.sentence for found in result.found if found.level != "note"] == [], name


def test_klein_plan() -> None:
    (plan,) = plans(FIXTURES / "klein_4b_subject.yaml")
    assert (plan.model.family, plan.model.size, plan.model.variant) == ("flux2-klein", "4B", "base")
    assert plan.text_encoder.found.encoder == "qwen3-4b"
    assert plan.learning_rate.value == 1e-4
    assert plan.learning_rate.written
    assert (plan.steps.value, plan.batch_size.value, plan.accumulation.value) == (2000, 1, 1)
    assert (plan.network.kind.value, plan.network.rank.value, plan.network.scale) == ("lora", 32, 1.0)
    assert plan.precision.base.value == "fp8"
    assert (plan.precision.compute.value, plan.precision.save.value) == ("bf16", "bf16")
    assert plan.network.dtype.value == "fp32"
    assert (plan.timesteps.sampling.value, plan.timesteps.prediction.value) == ("weighted", "flow")
    assert (plan.saving.every_steps.value, plan.saving.keep.value) == (250, 12)
    assert plan.saving.name.value == "pocketwatch_klein4b_v1"
    assert plan.validation.prompts.value == [
        "a pwtch on a wooden desk, morning light",
        "a pwtch in a gloved hand, snow",
        "a wooden desk, morning light",
    ]
    assert plan.validation.size.value == [1024, 1024]
    assert plan.trigger.value == "pwtch"
    (data,) = plan.datasets
    assert (data.resolution.value, data.caption_extension.value) == ([512, 768, 1024], ".txt")
    assert data.caption_dropout.value == 0.05
    reached = coverage(plan)
    assert reached is not None
    assert reached.blocks_reached == reached.blocks_total == 25


def test_flags_in_prompts_are_no_part_of_them() -> None:
    (plan,) = plans(FIXTURES / "sdxl_style.json")
    assert plan.validation.prompts.value == ["linocut of a lighthouse", "linocut of two geese", "a lighthouse"]
    assert plan.datasets[0].repeats.value == 6  # three times, each with its mirror image


def test_each_process_is_a_run_of_its_own() -> None:
    low, high = plans(FIXTURES / "two_processes.yaml")
    assert (low.learning_rate.value, high.learning_rate.value) == (1e-4, 5e-5)
    assert (low.steps.value, high.steps.value) == (1000, 500)
    assert high.network.weights.value == "output/marbled_paper_low/marbled_paper.safetensors"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1e-4", 1e-4),
        ("1E-4", 1e-4),
        ("5.e-5", 5e-5),
        (".5e-4", 5e-5),
        ("0.0001", 1e-4),
        ('"1e-4"', "1e-4"),
        ("1_0e-5", 1e-4),
    ],
)
def test_exponents_are_numbers_unless_quoted(tmp_path: Path, written: str, value: object) -> None:
    plan = job(tmp_path, f"train:\n  lr: {written}\n" + KLEIN)
    assert plan.get("train.lr").value == value


def test_exponents_inside_lists_and_tables(tmp_path: Path) -> None:
    plan = job(tmp_path, "train:\n  optimizer_params: {betas: [9e-1, 99e-2], weight_decay: 1e-2}\n" + KLEIN)
    assert plan.get("train.optimizer_params").value == {"betas": [0.9, 0.99], "weight_decay": 0.01}
    assert plan.optimizer.weight_decay.value == 0.01


def test_job_name_replaces_its_tag(tmp_path: Path) -> None:
    plan = job(tmp_path, "datasets:\n  - folder_path: data/[name]\n" + KLEIN, name="fox")
    assert plan.datasets[0].folder.value == "data/fox"


def test_variables_are_followed_in_paths_and_unknown_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    monkeypatch.setenv("PICTURES", str(tmp_path / "pictures"))
    plan = job(tmp_path, "datasets:\n  - folder_path: ${PICTURES}\ntrain:\n  lr: ${RATE}\n" + KLEIN)
    assert plan.datasets[0].listing is not None
    assert plan.datasets[0].listing.images == ("a.png",)
    assert (plan.learning_rate.value, plan.learning_rate.origin) == (None, "unknown")


def test_alpha_counts_on_unets_only(tmp_path: Path) -> None:
    network = "network:\n  type: lora\n  linear: 32\n  linear_alpha: 8\n"
    assert job(tmp_path, network + KLEIN).network.scale == 1.0
    assert job(tmp_path, network + SDXL).network.scale == 0.25
    flags = "model:\n  is_flux: true\n  name_or_path: black-forest-labs/FLUX.1-dev\n"
    assert job(tmp_path, network + flags).network.scale == 1.0
    unknown = "model:\n  arch: brand_new\n  name_or_path: someone/brand-new\n"
    assert job(tmp_path, network + unknown).network.scale is None


def test_lokr_is_of_full_rank_unless_told(tmp_path: Path) -> None:
    lokr = "network:\n  type: lokr\n  linear: 16\n  linear_alpha: 4\n"
    full = job(tmp_path, lokr + SDXL).network
    assert (full.kind.value, full.rank.value, full.scale) == ("lokr", None, 1.0)
    low = job(tmp_path, lokr + "  lokr_full_rank: false\n" + SDXL).network
    assert (low.rank.value, low.scale) == (16, 0.25)


def test_sections_shared_by_an_anchor_are_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("job.yaml").write_text(
        "train: &train {lr: 1e-4, steps: 500, noise_scheduler: flowmatch}\n"
        "job: extension\nconfig:\n  name: zwx\n  process:\n    - type: sd_trainer\n      training_folder: output\n"
        "      train: *train\n      model: {arch: flux2_klein_4b, name_or_path: /models/klein.safetensors}\n"
    )
    result = lint_file(Path("job.yaml"))
    assert "outside-the-process" not in {each.rule.id for each in result.found}
    assert plans(Path("job.yaml"))[0].learning_rate.value == 1e-4


def test_alpha_left_out(tmp_path: Path) -> None:
    sdxl = job(tmp_path, "network:\n  type: lora\n  linear: 32\n" + SDXL)
    assert (sdxl.network.alpha.value, sdxl.network.alpha.origin, sdxl.network.scale) == (1.0, "default", 1 / 32)
    klein = job(tmp_path, "network:\n  type: lora\n  linear: 32\n" + KLEIN)
    assert (klein.network.alpha.value, klein.network.alpha.origin, klein.network.scale) == (32, "default", 1.0)
    older = job(tmp_path, "network:\n  type: lora\n  rank: 8\n  linear: 64\n  alpha: 4\n" + SDXL)
    assert (older.network.rank.value, older.network.alpha.value, older.network.scale) == (8, 4, 0.5)


def test_defaults_are_the_trainers(tmp_path: Path) -> None:
    plan = job(tmp_path, KLEIN)
    assert (plan.learning_rate.value, plan.learning_rate.origin) == (1e-6, "default")
    assert (plan.steps.value, plan.optimizer.name.value, plan.precision.compute.value) == (1000, "adamw", "fp32")
    assert (plan.saving.every_steps.value, plan.saving.keep.value, plan.precision.save.value) == (1000, 5, "fp16")
    assert plan.network.kind.value == "full"
    assert (plan.optimizer.weight_decay.value, plan.optimizer.gradient_clip.value) == (0.01, 1.0)


@pytest.mark.parametrize("written", ["[1, 2]", "{a: 1}", "fast", "true", ".nan", "null"])
def test_values_of_another_type_are_unknown(tmp_path: Path, written: str) -> None:
    train = f"train:\n  lr: {written}\n  steps: {written}\n  batch_size: {written}\n  timestep_type: [{written}]\n"
    plan = job(tmp_path, train + f"network:\n  linear: {written}\n  linear_alpha: {written}\n" + SDXL)
    assert (plan.learning_rate.value, plan.steps.value, plan.batch_size.value) == (None, None, None)
    assert not [problem for problem in lint_file(tmp_path / "job.yaml").problems if "report it" in problem.sentence]


def test_prodigy_takes_one_for_small_rates(tmp_path: Path) -> None:
    train = "train:\n  lr: {}\n  optimizer: prodigy\n"
    assert job(tmp_path, train.format("1e-4") + KLEIN).learning_rate.value == 1.0
    assert job(tmp_path, train.format("0.5") + KLEIN).learning_rate.value == 0.5


def test_old_accumulation_makes_fewer_updates(tmp_path: Path) -> None:
    old = job(tmp_path, "train:\n  steps: 2000\n  gradient_accumulation_steps: 4\n" + KLEIN)
    assert (total_steps(old), effective_batch(old)) == (500, 1)
    new = job(tmp_path, "train:\n  steps: 2000\n  gradient_accumulation: 4\n" + KLEIN)
    assert (total_steps(new), effective_batch(new)) == (2000, 4)
    epoch = job(tmp_path, "train:\n  steps: 2000\n  gradient_accumulation_steps: -1\n" + KLEIN)
    assert total_steps(epoch) is None


def test_warmup_of_the_one_schedule_that_has_it(tmp_path: Path) -> None:
    warm = job(tmp_path, "train:\n  lr_scheduler: constant_with_warmup\n" + KLEIN).optimizer.warmup_steps
    assert (warm.value, warm.origin) == (1000, "default")
    assert job(tmp_path, "train:\n  lr_scheduler: constant\n" + KLEIN).optimizer.warmup_steps.value is None


def folder(path: Path, *names: str) -> None:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).touch()


def test_folders_are_read_with_their_sub_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "data", "a.JPG", "a.txt", "b.bmp", "deep/c.webp", ".hidden/d.png", "_controls/e.png")
    plan = job(tmp_path, "datasets:\n  - folder_path: data\n    resolution: [512, 1024]\n    num_repeats: 2\n" + KLEIN)
    listing = plan.datasets[0].listing
    assert listing is not None
    assert (listing.images, listing.unread_images) == (("a.JPG", "deep/c.webp"), ("b.bmp",))
    assert samples_per_epoch(plan) == 8  # two images, two resolutions, twice


def test_exposures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "data", *(f"{i}.png" for i in range(20)))
    plan = job(tmp_path, "datasets:\n  - folder_path: data\ntrain:\n  steps: 1000\n  batch_size: 2\n" + KLEIN)
    assert exposures_per_image(plan) == 100


@pytest.mark.parametrize(
    ("keys", "source", "extension"),
    [
        ("caption_ext: txt", "files", ".txt"),
        ("caption_ext: .caption", "files", ".caption"),
        ("caption_type: txt", "files", "txt"),
        ("default_caption: a watch", "prompt", ".txt"),
    ],
)
def test_captions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: str, source: str, extension: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "data", "a.png")
    plan = job(tmp_path, f"datasets:\n  - folder_path: data\n    {keys}\n" + KLEIN)
    assert plan.datasets[0].caption_source.value == source
    assert plan.datasets[0].caption_extension.value == extension


def test_captions_of_an_unloaded_encoder(tmp_path: Path) -> None:
    body = "datasets:\n  - folder_path: data\ntrain:\n  unload_text_encoder: true\n"
    assert job(tmp_path, body + KLEIN).datasets[0].caption_source.value == "none"
    alone = job(tmp_path, "trigger_word: zwx\n" + body + KLEIN).datasets[0]
    assert (alone.caption_source.value, alone.prompt.value) == ("prompt", "zwx")
    cached = body + "  cache_text_embeddings: true\n"
    assert job(tmp_path, cached + KLEIN).datasets[0].caption_source.value == "files"


def test_json_dataset_has_no_folder(tmp_path: Path) -> None:
    plan = job(tmp_path, "datasets:\n  - dataset_path: data/captions.json\n" + KLEIN)
    assert (plan.datasets[0].caption_source.value, plan.datasets[0].folder.value) == ("json", None)


def test_dataset_overrules_process(tmp_path: Path) -> None:
    entries = "datasets:\n  - folder_path: a\n    trigger_word: fox\n    batch_size: 4\n  - folder_path: b\n"
    first, second = job(tmp_path, "trigger_word: zwx\ntrain:\n  batch_size: 1\n" + entries + KLEIN).datasets
    assert (first.trigger.value, first.batch_size.value) == ("fox", 4)
    assert (second.trigger.value, second.batch_size.value) == ("zwx", 1)


def test_control_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path, "after/1.png", "before/1.png", "pose/1.jpg")
    one = job(tmp_path, "datasets:\n  - folder_path: after\n    control_path: before\n" + KLEIN).datasets[0]
    assert [listing.images for listing in one.control_listings] == [("1.png",)]
    two = job(tmp_path, "datasets:\n  - folder_path: after\n    control_path: [before, pose]\n" + KLEIN).datasets[0]
    assert [listing.images for listing in two.control_listings] == [("1.png",), ("1.jpg",)]
    numbered = "datasets:\n  - folder_path: after\n    control_path_1: before\n    control_path_2: nowhere\n"
    missing = job(tmp_path, numbered + KLEIN)
    assert missing.datasets[0].control_listings == ()


def test_legacy_flags_and_tags(tmp_path: Path) -> None:
    xl = job(tmp_path, "model:\n  is_xl: true\n  name_or_path: someone/base\n")
    assert (xl.model.family, xl.timesteps.prediction.value) == ("sdxl", "epsilon")
    v_pred = job(tmp_path, "model:\n  is_xl: true\n  is_v_pred: true\n  name_or_path: someone/base\n")
    assert v_pred.timesteps.prediction.value == "v"
    tagged = job(tmp_path, "model:\n  arch: flux2_klein_9b:turbo\n  name_or_path: /models/mine.safetensors\n")
    assert (tagged.model.family, tagged.model.size) == ("flux2-klein", "9B")


def test_what_lies_in_the_output_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "output" / "zwx", "zwx_000000250.safetensors", "optimizer.pt", "config.yaml")
    assert job(tmp_path, KLEIN).saving.existing == ("zwx_000000250.safetensors",)
    copy = tmp_path / "output" / "zwx" / "config.yaml"
    copy.write_text((tmp_path / "job.yaml").read_text())
    assert plans(copy)[0].saving.existing == ()


def test_command_finds_jobs_in_the_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    job(tmp_path, KLEIN)
    (tmp_path / "job.yaml").rename(tmp_path / "config" / "fox.yaml")
    script = tmp_path / "go.sh"
    script.write_text("cd /opt/ai-toolkit\nCUDA_VISIBLE_DEVICES=1 python run.py fox.yaml --name config/other.yaml\n")
    (plan,) = plans(script)
    assert plan.model.family == "flux2-klein"


def found(name: str) -> dict[str, int]:
    """Rule ids and lines of the errors and warnings in a fixture."""
    result = lint_file(FIXTURES / name, datasets=False)
    assert not result.problems
    places = [(each.rule.id, each.finding.place) for each in result.found if each.level != "note"]
    return {rule: place.document.position(place.span.start).line for rule, place in places}


def test_sections_beside_the_process_are_one_finding() -> None:
    assert found("sections_beside_process.yaml") == {"outside-the-process": 8}


def test_words_of_other_trainers() -> None:
    result = lint_file(FIXTURES / "words_of_other_trainers.yaml", datasets=False)
    actions = {each.finding.key: each.finding.action for each in result.found}
    assert "`train.lr`" in actions["train.learning_rate"]
    assert "`train.steps`" in actions["train.max_train_steps"]
    assert "`network.linear_alpha`" in actions["network.network_alpha"]
    assert "train.optimizer_params" in actions["train.weight_decay"]


def test_broken_schedule_fixture() -> None:
    ids = found("schedules_and_accumulation.yaml")
    assert ids["accumulated-gradients-lost"] == 30
    assert ids["optimizer-name-refused"] == 31
    assert ids["block-number-matches-more"] == 13
    assert {"scheduler-parameters-refused", "snr-weighting-on-flow-model", "device-ignored"} <= ids.keys()


def test_interface_export() -> None:
    ids = found("ui_export.jsonc")
    assert ids["comments-in-json"] == 2
    assert ids["ui-trainer-outside-the-ui"] == 8
    assert "unknown-key" not in ids
