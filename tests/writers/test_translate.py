"""Other people's configs and our fixtures: each becomes every trainer's, honestly; and the arithmetic on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lora_doctor import derived
from lora_doctor.cli.plan import read_plans
from lora_doctor.compare import compare
from lora_doctor.dialects.writers import WRITERS, writer
from lora_doctor.lint import lint_file
from lora_doctor.meaning import canonical, optimizer_name
from lora_doctor.plan import Plan
from lora_doctor.source.document import SourceError
from lora_doctor.translate import Translation, target, targets, translate

from .plans import plan_of
from .test_round_trip import on_disk, part_of_the_lost

ROOT = Path(__file__).parent.parent.parent
CORPUS = os.environ.get("LORA_DOCTOR_CORPUS")
FILES = sorted(path for path in (ROOT / "fixtures" / "configs").rglob("*") if path.is_file())


def run_plans(path: Path) -> list[Plan]:
    """The LoRA runs of a file; none where it can't be read or holds something else."""
    try:
        _, plans = read_plans(str(path), datasets=False)
    except SourceError:
        return []
    return [plan for plan in plans if plan.training and plan.model.family is not None]


def check(plan: Plan, trainer: str, folder: Path, source: Path) -> Translation | None:
    """Translate, read what lies on disk, compare: every difference must have been told."""
    try:
        made = translate(plan, trainer, folder, "run", beside=source.parent)
    except SourceError as error:
        refusal = error.sentence
    else:
        refusal = ""
    assert "please report" not in refusal, (source, trainer, refusal)
    if refusal:
        return None
    back = on_disk(made, folder)
    told = made.told
    differing = {each.field for each in compare(plan, back).settings}
    untold = {field for field in differing - told if not part_of_the_lost(field, made)}
    assert not untold, (source, trainer, untold)
    assert all(each.consequence for each in made.lost)
    return made


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_fixtures(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for number, plan in enumerate(run_plans(path)):
        for trainer in targets():
            check(plan, trainer, tmp_path / f"{number}-{trainer}", path)


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS, reason="set LORA_DOCTOR_CORPUS to a folder with the trainers' own configs")
@pytest.mark.parametrize("trainer", targets())
def test_corpus(trainer: str, tmp_path: Path) -> None:
    """Each config that trainers ship, written for every trainer and read back."""
    done = 0
    for path in sorted(each for each in Path(str(CORPUS)).rglob("*") if each.is_file()):
        for number, plan in enumerate(run_plans(path)):
            done += check(plan, trainer, tmp_path / f"{done}-{number}", path) is not None
    assert done > 0


def example(**changes: object) -> dict[str, object]:
    """A run that is fine."""
    return {
        "output": "runs/zwx",
        "model.path": "black-forest-labs/FLUX.2-klein-base-4B",
        "adapter.rank": 32,
        "adapter.alpha": 16,
        "data.0.folder": "data",
        "training.steps": 1000,
        "training.batch_size": 2,
        "training.accumulation": 2,
        "training.seed": 7,
        "optimizer.learning_rate": 1e-4,
        "optimizer.weight_decay": 0.01,
        "saving.every_steps": 100,
        "validation.held_out": 0,
    } | {key.replace("__", "."): value for key, value in changes.items()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ten images with captions in `data`, of which only the names count here."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for number in range(10):
        (tmp_path / "data" / f"{number}.png").write_bytes(b"")
        (tmp_path / "data" / f"{number}.txt").write_text("zwx ring", encoding="utf-8")
    return tmp_path


def test_alpha_is_made_up_for_by_the_rate(folder: Path) -> None:
    """alpha 16 at rank 32 is a scale of 0.5; a trainer with alpha = rank needs the root of that as a factor."""
    back = translate(plan_of(example()), "diffusion-pipe", folder, "x").plan
    assert back.network.scale == 1.0
    assert back.learning_rate.value == pytest.approx(1e-4 * 0.5**0.5, rel=1e-5)
    assert back.optimizer.weight_decay.value == pytest.approx(0.01 / 0.5**0.5, rel=1e-5)


def test_prodigy_finds_its_own_rate(folder: Path) -> None:
    """There is nothing to make up with: the loss is told."""
    plan = plan_of(example(optimizer__name="prodigy", optimizer__learning_rate=1.0))
    made = translate(plan, "diffusion-pipe", folder, "x")
    assert made.plan.learning_rate.value == 1.0
    assert any(each.field == "network.alpha" and "scaled by 1" in each.consequence for each in made.lost)


def test_alpha_where_it_counts(folder: Path) -> None:
    back = translate(plan_of(example()), "SimpleTuner", folder, "x").plan
    assert (back.network.scale, back.learning_rate.value) == (0.5, 1e-4)


@pytest.mark.parametrize("trainer", [name for name in targets() if "flux2-klein" in writer(name).FAMILIES])
def test_exposures_are_kept(folder: Path, trainer: str) -> None:
    """1000 steps of 4 images show each of 10 images 400 times, however the trainer counts."""
    plan = plan_of(example())
    assert derived.exposures_per_image(plan) == 400
    made = translate(plan, trainer, folder / "new", "x")
    assert derived.exposures_per_image(on_disk(made, folder / "new")) == pytest.approx(400)


@pytest.mark.parametrize("trainer", ["ai-toolkit", "OneTrainer", "SimpleTuner", "musubi-tuner"])
def test_epochs_and_resolutions_become_steps(folder: Path, trainer: str) -> None:
    """10 images x 3 repeats x 2 resolutions / 4 = 15 steps an epoch."""
    values = example(training__epochs=20, data__0__repeats=3, data__0__resolution=[512, 1024])
    values = {key: value for key, value in values.items() if key != "training.steps"}
    back = on_disk(translate(plan_of(values), trainer, folder / "new", "x"), folder / "new")
    assert derived.total_steps(back) == pytest.approx(300)
    assert [data.resolution.value for data in canonical(back).datasets] == [[512], [1024]]


def test_a_share_of_an_unknown_run_is_not_called_zero(tmp_path: Path) -> None:
    plan = run_plans(ROOT / "fixtures/configs/musubi/klein_9b.sh")[0]  # --lr_warmup_steps 5%, and no images
    assert canonical(plan).optimizer.warmup_steps.value is None
    made = translate(plan, "lora-doctor", tmp_path, "x")
    assert any(each.field == "optimizer.warmup_steps" and each.wanted.value == 0.05 for each in made.lost)


def test_a_setting_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    plan = run_plans(ROOT / "fixtures/configs/sd-scripts/sdxl_character.sh")[0]  # its prompts.txt is not there
    lost = {each.field: each for each in translate(plan, "OneTrainer", tmp_path, "x").lost}
    assert lost["validation.prompts"].wanted.value == "prompts.txt"


def test_who_trains_what(tmp_path: Path) -> None:
    plan = plan_of(example(model__path="Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"))
    with pytest.raises(SourceError, match="sd-scripts trains no LoRA of SANA; these do: SimpleTuner, OneTrainer"):
        translate(plan, "sd-scripts", tmp_path, "x")


@pytest.mark.parametrize(
    ("text", "meant"), [("aitoolkit", "ai-toolkit"), ("simpletuner", "SimpleTuner"), ("musubi", "musubi-tuner")]
)
def test_names_of_trainers(text: str, meant: str) -> None:
    assert target(text) == meant


@pytest.mark.parametrize("text", ["", "-", "automatic1111"])
def test_no_such_trainer(text: str) -> None:
    with pytest.raises(SourceError, match="is no trainer that configs are written for"):
        target(text)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ADAMW_8BIT", "adamw8bit"), ("bnb-adamw8bit", "adamw8bit"), ("AdamW8bit", "adamw8bit"),
     ("torch.optim.AdamW", "adamw"), ("adamw_bf16", "adamw-kahan"), ("CAME", "came"), (None, None)],
)  # fmt: skip
def test_one_name_for_one_optimizer(name: str | None, meant: str | None) -> None:
    assert optimizer_name(name) == meant


@pytest.mark.parametrize("trainer", targets())
@pytest.mark.parametrize("model", ["black-forest-labs/FLUX.2-klein-base-4B", "stabilityai/stable-diffusion-xl-base-1.0",
                                   "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"])  # fmt: skip
def test_a_healthy_run_stays_healthy(folder: Path, trainer: str, model: str) -> None:
    values = example(model__path=model, optimizer__name="adamw8bit", adapter__alpha=32,
                     validation__prompts=["zwx, a ring on slate, morning light", "a ring on slate, morning light"],
                     validation__every_steps=100, validation__seed=3)  # fmt: skip
    plan = plan_of(values)
    if plan.model.family not in writer(trainer).FAMILIES:
        pytest.skip("not trained there")
    made = translate(plan, trainer, folder / "new", "x")
    on_disk(made, folder / "new")
    result = lint_file(folder / "new" / made.files[0].name, datasets=False)
    assert not result.problems
    assert [f"{each.rule.id}: {each.finding.message}" for each in result.found if each.level != "note"] == []


def test_every_writer_has_its_dialect() -> None:
    from lora_doctor.dialects import all_dialects

    assert set(WRITERS) <= {module.TRAINER for module in all_dialects()}


@pytest.mark.parametrize(("trainer", "told"), [("ai-toolkit", 0), ("lora-doctor", 0), ("musubi-tuner", 1)])
def test_several_control_folders(trainer: str, told: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("after", "before", "pose"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"")
    config = (
        'output = "run"\n[model]\npath = "FLUX.2-klein-base-4B"\n[training]\nsteps = 1\n[[data]]\nfolder = "after"\n'
    )
    (tmp_path / "run.toml").write_text(config + 'control = ["before", "pose"]\n')
    _, (plan,) = read_plans("run.toml")
    made = translate(plan, trainer, tmp_path, "out")
    text = "".join(each.text for each in made.files)
    assert text.count("takes one folder") == told, "said beside the value"
    assert ("pose" in text) is not bool(told)
