"""Configs of every trainer become jobs: values mean what they mean there, and say where they come from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from lora_doctor.dialects import native, recognise
from lora_doctor.dialects.native_fields import FIELDS
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.recipes import RECIPES
from lora_doctor.source.document import SourceError
from lora_doctor.source.read import read_file, read_text
from lora_doctor.train.foreign import endings, targets_of
from lora_doctor.train.job import Job, Keeping
from lora_doctor.train.resolve import resolve
from lora_doctor.train.toml import as_toml

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "fixtures" / "configs"
IMAGES = ROOT / "fixtures" / "demo" / "images"


def plans_of(path: Path) -> list[Plan]:
    document = read_file(path)
    known = recognise(document)
    return [p for p in known[0].read(document, known[1], Reader()) if p.training] if known else []


def runs() -> list[Any]:
    """Every fixture that is one run of a model that is trained here."""
    found = []
    for path in sorted(CONFIGS.rglob("*")):
        try:
            plans = plans_of(path) if path.is_file() else []
        except SourceError:
            continue
        if len(plans) == 1 and plans[0].model.family in ("flux2-klein", "sana", "sdxl"):
            found.append(pytest.param(plans[0], id=f"{path.parent.name}-{path.stem}"))
    return found


def own(text: str) -> Plan:
    return native.read(read_text("run.toml", text.encode()), "training", Reader())[0]


@pytest.fixture(scope="session")
def folders(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> dict[str, Path]:
    return {"flux2-klein": klein_folder, "sana": sana_folder, "sdxl": sdxl_folder}


def job_of(plan: Plan, folders: dict[str, Path], **told: Any) -> Job:
    model = str(folders[plan.model.family or "sana"])
    return resolve(plan, {"model.path": model, "data": str(IMAGES), "output": "/tmp/run", **told})


@pytest.mark.parametrize("plan", runs())
def test_every_trainers_config_becomes_a_job(plan: Plan, folders: dict[str, Path]) -> None:
    if plan.network.kind.value == "full":
        with pytest.raises(SourceError, match="full fine-tune"):
            job_of(plan, folders)
        return
    try:
        job = job_of(plan, folders, **{"training.steps": 10})
    except SourceError as refused:
        if "pip install" in str(refused):  # an optimiser whose package is not here
            pytest.skip(str(refused))
        raise
    assert job.adapter.rank == (plan.network.rank.value or 16)
    if plan.learning_rate.value is not None:
        assert job.optimizer.learning_rate == plan.learning_rate.value
    if plan.network.scale is not None:
        assert job.adapter.alpha / job.adapter.rank == pytest.approx(plan.network.scale)
    again = own(as_toml(job))
    assert again.learning_rate.value == job.optimizer.learning_rate
    assert again.network.rank.value == job.adapter.rank


@pytest.mark.parametrize("plan", runs()[:1])
def test_what_was_resolved_resolves_to_itself(plan: Plan, folders: dict[str, Path]) -> None:
    job = job_of(plan, folders, **{"training.steps": 10})
    again = resolve(own(as_toml(job)), {})
    assert again._replace(reasons={}, dropped=()) == job._replace(reasons={}, dropped=())


def test_the_job_has_every_field_of_the_config(folders: dict[str, Path]) -> None:
    job = job_of(own("# nothing"), folders, **{"training.steps": 10})
    resolved_away = {"training.epochs", "training.exposures", "buckets.resolution", "model.revision", "model.family"}
    for field in FIELDS:
        if (field.type == "table" and "." not in field.key) or field.key.endswith("**") or field.key in resolved_away:
            continue
        node: Any = job
        for part in field.key.split("."):
            node = node[0] if part == "*" else getattr(node, part)


def test_values_say_where_they_come_from(folders: dict[str, Path]) -> None:
    plan = own('recipe = "sana"\n[optimizer]\nlearning_rate = 3e-4\n[adapter]\nalpha = 2\n')
    job = job_of(plan, folders, **{"training.seed": 7})
    assert job.reasons["optimizer.learning_rate"] == "run.toml line 3"
    assert job.reasons["adapter.rank"] == "recipe sana"
    assert job.reasons["adapter.alpha"] == "run.toml line 5"
    assert job.reasons["training.seed"] == "--seed"
    assert job.reasons["schedule.power"] == "default"
    assert (job.training.steps, job.images_per_step, job.adapter.rank) == (500, 4, 4)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_taken_whole(name: str, folders: dict[str, Path]) -> None:
    recipe = RECIPES[name]
    job = job_of(own(f'recipe = "{name}"'), folders, **{"training.steps": recipe.steps or 10})
    assert job.optimizer.learning_rate == recipe.learning_rate
    assert (job.adapter.rank, job.adapter.alpha) == (recipe.rank, recipe.alpha)
    assert job.precision.base == (recipe.base_precision or "bf16")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[training]\nsteps = 0", r"training.steps = 0 \(run.toml line 2\) must be at least 1"),
        ("[training]\nsteps = 'ten'", r"training.steps = 'ten' .* is no int"),
        ("[optimizer]\nname = 'sgd'", r"optimizer.name = 'sgd' .* is none of adamw"),
        ("[buckets]\nresolution = [0]", "edge lengths in pixels"),
        ("recipe = 'best'", "none of klein-fifty-runs"),
        ("output = ''", "which run folder"),
        ("", "how long"),
    ],
)
def test_wrong_values_are_a_sentence(text: str, sentence: str, folders: dict[str, Path]) -> None:
    told = {} if "output" in text else {"output": "/tmp/run"}
    with pytest.raises(SourceError, match=sentence):
        resolve(own(text or "# nothing"), {"model.path": str(folders["sana"]), "data": str(IMAGES), **told})


def test_the_micro_models_card_says_how_long(tmp_path: Path) -> None:
    told = {"data": str(IMAGES), "output": str(tmp_path / "run")}
    job = resolve(own("# nothing"), told)
    assert (job.training.steps, job.schedule.name, job.optimizer.learning_rate) == (240, "cosine", 1e-3)
    assert job.reasons["training.steps"] == "the model's card"
    images = len(job.data[0].names)
    assert resolve(own("[training]\nexposures = 4\n"), told).training.steps == images  # batches of four
    assert resolve(own("# nothing"), {**told, "training.steps": 7}).training.steps == 7


def test_a_missing_control_folder_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    data = f"[[data]]\nfolder = {str(IMAGES)!r}\ncontrol = {str(tmp_path / 'before')!r}\n"
    told = {"model.path": str(folders["flux2-klein"]), "output": str(tmp_path / "run"), "training.steps": 1}
    with pytest.raises(SourceError, match=r"data\.0\.control = .* \(run.toml line 3\): .* not on this machine"):
        resolve(own(data), told)
    assert resolve(own(data.partition("control")[0]), told).data[0].names


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("nobody/nothing", "hf download nobody/nothing"),
        ("fixtures", "has no model_index.json"),
        ("README.md", "is a single file"),
    ],
)
def test_models_that_are_not_there(model: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(SourceError, match=sentence):
        resolve(own("[training]\nsteps = 1"), {"model.path": model, "data": str(IMAGES), "output": "/tmp/run"})


def test_epochs_are_counted_in_batches(folders: dict[str, Path], tmp_path: Path) -> None:
    from PIL import Image

    for number, size in enumerate([(64, 64)] * 5 + [(128, 64)] * 2):
        Image.effect_noise(size, 50 + number).save(tmp_path / f"{number}.png")
    text = "[training]\nepochs = 2\nbatch_size = 2\n[validation]\nheld_out = 0\n[buckets]\nresolution = 64\n"
    job = resolve(own(text), {"model.path": str(folders["sana"]), "data": str(tmp_path), "output": "/tmp/run"})
    assert job.training.steps == 2 * (3 + 1)  # two sizes: three batches of one, one of the other
    assert job.reasons["training.steps"] == "2 epochs of 7 images"


def test_layers_of_ai_toolkit_are_those_it_trains() -> None:
    plan = plans_of(CONFIGS / "ai-toolkit" / "klein_4b_subject.yaml")[0]
    targets = targets_of(plan)
    assert targets is not None
    assert {"to_q", "to_qkv_mlp_proj", "linear_in"} <= set(targets)
    assert not any("embedder" in target or "norm_out" in target for target in targets), "blocks only"


def test_what_ai_toolkit_keeps_of_the_base_is_kept(folders: dict[str, Path], tmp_path: Path) -> None:
    text = (CONFIGS / "ai-toolkit" / "klein_4b_subject.yaml").read_text()
    switch = "diff_output_preservation: true\n        diff_output_preservation_class: ring\n"
    (tmp_path / "job.yaml").write_text(text.replace("train:\n", f"train:\n        {switch}", 1))
    job = job_of(plans_of(tmp_path / "job.yaml")[0], folders)
    assert job.keeping == Keeping(output_weight=1.0, output_class="ring")
    assert not any("diff_output" in sentence for sentence in job.dropped)


def test_endings_match_what_is_wanted_and_nothing_else() -> None:
    every = ["a.0.to_q", "a.0.add.to_q", "a.0.to_out.0", "b.0.to_out"]
    assert endings({"a.0.to_q"}, every) == ["0.to_q"]
    assert endings({"a.0.to_q", "a.0.add.to_q", "b.0.to_out"}, every) == ["to_q", "to_out"]


def test_toml_holds_any_text(folders: dict[str, Path]) -> None:
    words = 'quo"te, back\\slash, line\nend, tab\t, ünï, \x7f'
    job = job_of(own("# nothing"), folders, **{"training.steps": 1, "captions.trigger": words})
    assert tomllib.loads(as_toml(job))["captions"]["trigger"] == words


def test_intervals_in_epochs_become_steps(folders: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "seed.sh").write_text(
        "accelerate launch train_dreambooth_lora_sana.py --pretrained_model_name_or_path=a/Sana_1600M_1024px_diffusers "
        "--instance_data_dir=x --output_dir=run --instance_prompt='a ring' --max_train_steps=500 "
        "--validation_prompt='a ring' --validation_epochs=25 --gradient_accumulation_steps=2\n"
    )
    (plan,) = plans_of(tmp_path / "seed.sh")
    job = job_of(plan, folders)
    assert (len(job.data[0].names), job.training.batch_size, job.training.accumulation) == (4, 4, 2)
    assert job.validation.every_steps == 12  # 25 epochs of half a step
    assert job.reasons["validation.every_steps"].startswith("25 epochs, --validation_epochs, seed.sh line 1")
    assert job.data[0].prompt is None, "--data has captions of its own"
