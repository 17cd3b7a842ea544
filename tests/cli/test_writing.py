"""`init`, `translate`, `diff` and `trainers`, as they are called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lora_doctor.cli.plan import read_plans
from lora_doctor.derived import exposures_per_image
from lora_doctor.trainers import READ, columns, features
from lora_doctor.translate import targets

from .conftest import Call

ROOT = Path(__file__).parent.parent.parent
KLEIN = ROOT / "fixtures/configs/ai-toolkit/klein_4b_subject.yaml"
MUSUBI = ROOT / "fixtures/configs/musubi/klein_9b.sh"
KLEINS = [name for name in targets() if name != "sd-scripts"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twelve different photographs of the same size, each with its caption."""
    np = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")
    places = ("on a table", "in snow", "on moss", "beside a cup of tea", "on a wall", "in a glass case", "on red cloth",
              "in rain", "on a bicycle", "under water", "on an old book", "in a hand")  # fmt: skip
    folder = tmp_path / "my images"
    folder.mkdir()
    for number, place in enumerate(places):
        draw = np.random.default_rng(number)
        rough = image.fromarray(draw.integers(0, 255, (40, 40, 3), dtype=np.uint8)).resize((1088, 1088), 3)
        noisy = np.asarray(rough, dtype=float) + draw.normal(scale=20, size=(1088, 1088, 1))
        image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"zwx ring {place}, close photograph", encoding="utf-8")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("trainer", KLEINS)
def test_init_leaves_lint_nothing_to_say(call: Call, images: Path, trainer: str, tmp_path: Path) -> None:
    before = files(images)
    ran = call("init", "--model", "klein-4b", "--images", images, "--trainer", trainer, "--trigger", "zwx", "-o", "new")
    assert ran.code == 0, ran.out + ran.err
    assert "lint finds nothing" in ran.out
    assert files(images) == before
    main = next(line for line in ran.out.splitlines() if line.startswith("written: ")).removeprefix("written: ")
    linted = call("lint", main, "--format", "json")
    assert [each for each in json.loads(linted.out)["findings"] if each["level"] != "note"] == []
    _, plans = read_plans(main)
    seen = exposures_per_image(next(plan for plan in plans if plan.training))
    assert seen is not None
    assert 30 <= seen <= 120  # what published Klein runs show each image


@pytest.mark.slow
@pytest.mark.parametrize(("model", "trainer"), [("sdxl", "sd-scripts"), ("sdxl", "ai-toolkit"), ("sana", "diffusers"),
                                                ("sana", "OneTrainer"), ("klein-9b", "diffusion-pipe")])  # fmt: skip
def test_init_for_other_models(call: Call, images: Path, model: str, trainer: str) -> None:
    ran = call("init", "--model", model, "--images", images, "--trainer", trainer, "--trigger", "zwx", "-o", "new")
    assert ran.code == 0, ran.out + ran.err


def empty_images(folder: Path, count: int = 10) -> Path:
    """Names only: enough for whatever does not look into them."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.png").write_bytes(b"")
        (folder / f"{number}.txt").write_text("zwx", encoding="utf-8")
    return folder


def test_init_gives_every_value_its_reason(call: Call, tmp_path: Path) -> None:
    empty_images(tmp_path / "data")
    call("init", "--model", "klein-4b", "--images", "data", "--trainer", "ai-toolkit", "--trigger", "zwx")
    text = (tmp_path / "zwx.yaml").read_text(encoding="utf-8")
    assert "lr: 0.0001  # klein recipe: ai-toolkit UI defaults" in text
    assert "steps: 1200  # 120 showings x 10 images / batch 1" in text


def test_a_recipe_that_does_not_say_how_long(call: Call, tmp_path: Path) -> None:
    empty_images(tmp_path / "data")
    call("init", "--model", "klein-4b", "--images", "data", "--trainer", "lora-doctor", "--trigger", "zwx",
         "--recipe", "klein-fp8")  # fmt: skip
    text = (tmp_path / "zwx.toml").read_text(encoding="utf-8")
    assert "steps = 675  # 75 showings x 9 images / batch 1; klein-fp8 recipe: the recipe does not say" in text
    assert 'base = "fp8"  # klein-fp8 recipe' in text
    assert "shift = 3.0  # klein-fp8 recipe" in text


def test_init_never_replaces_a_file_unasked(call: Call, tmp_path: Path) -> None:
    empty_images(tmp_path / "data")
    mine = tmp_path / "zwx.toml"
    mine.write_text("mine", encoding="utf-8")
    args = ("init", "--model", "sdxl", "--images", "data", "--trainer", "lora-doctor", "--trigger", "zwx")
    ran = call(*args)
    assert (ran.code, mine.read_text(encoding="utf-8")) == (2, "mine")
    assert "is there already: nothing was written; --overwrite replaces it" in ran.err
    call(*args, "--overwrite")
    assert "stabilityai" in mine.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((), "give --model, --images, --trainer: there is no terminal to ask on"),
        (("--model", "sdxl", "--images", "none", "--trainer", "lora-doctor"), "none is no folder"),
        (("--model", "sdxl", "--images", "bare", "--trainer", "lora-doctor"), "the images have no captions"),
        (("--model", "sdxl", "--images", "empty", "--trainer", "lora-doctor"), "no images are there"),
        (("--model", "sdxl", "--images", "data", "--trainer", "paint"), "is no trainer that configs are written for"),
        (("--model", "sana", "--images", "data", "--trainer", "sd-scripts"), "trains no LoRA of SANA; these do"),
        (("--model", "nonsense", "--images", "data", "--trainer", "lora-doctor"), "no recipe is known"),
        (("--model", "sdxl", "--images", "data", "--trainer", "lora-doctor", "--recipe", "klein"), "is no recipe for"),
    ],
)
def test_init_refuses(call: Call, tmp_path: Path, args: tuple[str, ...], sentence: str) -> None:
    empty_images(tmp_path / "data")
    (tmp_path / "empty").mkdir()
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "a.png").write_bytes(b"")
    ran = call("init", *args)
    assert ran.code == 2
    assert sentence in ran.err


def test_init_with_one_caption_for_all(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for number in range(12):
        (tmp_path / "bare" / f"{number}.png").write_bytes(b"")
    ran = call("init", "--model", "sdxl", "--images", "bare", "--trainer", "diffusers", "--trigger", "zwx")
    assert "captions separate the two" in ran.out
    assert "--instance_prompt zwx" in (tmp_path / "zwx.sh").read_text(encoding="utf-8")


def test_captions_for_a_script_that_reads_none(call: Call, tmp_path: Path) -> None:
    """The images are linked into a folder of their own, their captions put into its table."""
    empty_images(tmp_path / "data")
    call("init", "--model", "sana", "--images", "data", "--trainer", "diffusers", "--trigger", "zwx", "-o", "new")
    made = tmp_path / "new" / "images"
    table = [json.loads(line) for line in (made / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"file_name": "3.png", "text": "zwx"} in table
    assert os.path.samefile(made / "3.png", tmp_path / "data" / "3.png")
    assert not (tmp_path / "data" / "metadata.jsonl").exists()


def test_translate_to_a_folder(call: Call, tmp_path: Path) -> None:
    ran = call("translate", KLEIN, "--to", "diffusion-pipe", "--output", "new")
    assert ran.code == 0, ran.err
    assert sorted(os.listdir(tmp_path / "new")) == [
        "pocketwatch_klein4b_v1-dataset.toml", "pocketwatch_klein4b_v1.toml",
    ]  # fmt: skip
    assert "trigger word: pwtch -> nothing: is not put into captions: write it into them" in ran.out
    text = (tmp_path / "new" / "pocketwatch_klein4b_v1.toml").read_text(encoding="utf-8")
    assert "lr = 0.0001  # train.lr" in text
    assert "gradient_clipping = 1.0  # ai-toolkit's default" in text


def test_translate_to_a_file(call: Call, tmp_path: Path) -> None:
    call("translate", MUSUBI, "--to", "ai-toolkit", "-o", "jobs/mine.yaml")
    assert os.listdir(tmp_path / "jobs") == ["mine.yaml"]


def test_a_folder_may_have_a_dot(call: Call, tmp_path: Path) -> None:
    call("translate", MUSUBI, "--to", "ai-toolkit", "-o", "jobs.v2")
    assert os.listdir(tmp_path / "jobs.v2") == ["zwx.yaml"]


def test_translate_prints_without_output(call: Call, tmp_path: Path) -> None:
    ran = call("translate", KLEIN, "--to", "lora-doctor")
    assert ran.out.startswith("# translated from klein_4b_subject.yaml (ai-toolkit)")
    assert "comes out otherwise with lora-doctor" in ran.err
    assert os.listdir(tmp_path) == []


def test_translate_for_programs(call: Call, tmp_path: Path) -> None:
    found = json.loads(call("translate", KLEIN, "--to", "onetrainer", "--json").out)
    assert (found["trainer"], found["lost"][0]["consequence"] != "") == ("OneTrainer", True)
    assert set(found["files"]) == {f"pocketwatch_klein4b_v1{end}.json" for end in ("", "-concepts", "-samples")}


@pytest.mark.parametrize(
    ("path", "extra", "sentence"),
    [
        ("fixtures/configs/ai-toolkit/extract_difference.yaml", (), "there is no run in it to translate"),
        ("fixtures/configs/ai-toolkit/two_processes.yaml", (), "choose one with --run 1 to 2"),
        ("fixtures/configs/ai-toolkit/two_processes.yaml", ("--run", "3"), "there is no run 3"),
        ("fixtures/configs/simpletuner/klein_4b_multidatabackend.json", (), "there is no run in it to translate"),
        ("nowhere.toml", (), "can't be read"),
    ],
)
def test_translate_refuses(call: Call, path: str, extra: tuple[str, ...], sentence: str) -> None:
    ran = call("translate", ROOT / path, "--to", "lora-doctor", *extra)
    assert ran.code == 2
    assert sentence in ran.err
    assert "Traceback" not in ran.err


def test_diff_of_two_trainers(call: Call) -> None:
    ran = call("diff", KLEIN, MUSUBI)
    assert ran.code == 1
    assert "base model\n  - flux2-klein 4B" in ran.out
    assert "line 44, model.name_or_path" in ran.out
    assert "line 18, --dit" in ran.out


def test_diff_of_a_translation_finds_what_was_told(call: Call) -> None:
    call("translate", KLEIN, "--to", "SimpleTuner", "-o", "new")
    found = json.loads(call("diff", KLEIN, "new/config.json", "--json").out)
    told = {each["field"] for each in json.loads(call("translate", KLEIN, "--to", "SimpleTuner", "--json").out)["lost"]}
    assert "timesteps.sampling" in told
    assert "optimizer.learning_rate" not in {each["field"] for each in found["settings"]}


def test_diff_with_itself(call: Call) -> None:
    ran = call("diff", KLEIN, KLEIN)
    assert (ran.code, ran.out) == (0, "the two do the same (ai-toolkit, ai-toolkit)\n")


def test_diff_of_unlike_things(call: Call, tmp_path: Path) -> None:
    ran = call("diff", next((ROOT / "fixtures/adapters").rglob("*.safetensors")), KLEIN)
    assert ran.code == 2
    assert "give two LoRAs, or two configs" in ran.err


def test_trainers(call: Call) -> None:
    text = call("trainers").out
    assert "  diffusion-pipe  WSL 2 only" in text
    found = json.loads(call("trainers", "--json").out)
    assert [each["trainer"] for each in found["trainers"]] == targets()


def test_every_cell_has_its_source() -> None:
    for column in columns():
        assert column.source
        assert column.date or column.trainer == "lora-doctor"
        assert set(column.cells) <= set(features())
    for row in READ.values():
        assert set(row) >= set(targets()) - {"lora-doctor"}
        assert all(cell.source or cell.text.startswith("trains no") for cell in row.values())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a terminal to answer on is made with POSIX' pty")
def test_init_asks_on_a_terminal(tmp_path: Path) -> None:
    """Model, purpose, images, trainer, trigger; an empty answer takes the default."""
    import pty

    empty_images(tmp_path / "data")
    ours, theirs = pty.openpty()
    command, piped = [sys.executable, "-m", "lora_doctor", "init"], subprocess.PIPE
    process = subprocess.Popen(command, cwd=tmp_path, stdin=theirs, stdout=piped, stderr=piped, text=True)
    os.close(theirs)
    os.write(ours, b"sdxl\nstyle\ndata\nai-toolkit\nzwx\n")
    said = "".join(process.communicate(timeout=120))
    os.close(ours)
    assert "base model (klein-4b, klein-9b, sana, sdxl, or a path)" in said
    assert "arch: sdxl" in (tmp_path / "zwx.yaml").read_text(encoding="utf-8")
