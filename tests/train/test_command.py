"""`lora-doctor train` as users call it, on tiny pipelines of every family: whole runs, kills, bad input."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file

from lora_doctor.lab import micro_klein
from lora_doctor.train.folder import RunFolder, read_rows
from tests.cli.conftest import Call

from .process import config, make_images, start, train, weights

pytestmark = pytest.mark.slow


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Path:
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    return folder


@pytest.mark.parametrize("model", ["klein", "sana", "sdxl"], indirect=True)
def test_a_whole_run(tmp_path: Path, model: Path, call: Call) -> None:
    ran = call("train", config(tmp_path, model), "--no-preflight")
    assert ran.code == 0, ran.err
    folder = RunFolder(tmp_path / "run")
    assert folder.steps() == [3, 6, 9, 12]
    assert [row["step"] for row in read_rows(folder.log) if "loss" in row] == list(range(1, 13))
    record = json.loads(folder.run.read_bytes())
    assert (record["status"], record["step"]) == ("finished", 12)
    samples = read_rows(folder.samples)
    assert {row["step"] for row in samples} == {0, 12}
    assert all((folder.root / row["file"]).is_file() for row in samples)
    tensors = load_file(folder.checkpoint(12) / "pytorch_lora_weights.safetensors")
    assert any(value.any() for name, value in tensors.items() if "lora_B" in name), "nothing was learned"
    resolved = tomllib.loads(folder.config.read_text())
    assert resolved["training"]["steps"] == 12
    assert resolved["optimizer"]["learning_rate"] == 1e-3


def test_the_saved_config_can_be_linted_and_trained(tmp_path: Path, sana_folder: Path, call: Call) -> None:
    assert call("train", config(tmp_path, sana_folder), "--no-preflight").code == 0
    linted = call("lint", "run/config.toml", "--select", "error")
    assert linted.code == 0, linted.out
    again = call("train", "run/config.toml", "--output", "again", "--no-preflight")
    assert again.code == 0, again.err
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "again")
    assert weights(first.checkpoint(12)) == weights(second.checkpoint(12))


def killed_and_gone_on(tmp_path: Path, path: Path, seed: int, number: int = signal.SIGKILL) -> int:
    """Train, killing the process at random moments and going on, until it ends by itself; returns the kills."""
    folder, chance, kills = RunFolder(tmp_path / "run"), random.Random(seed), 0
    while True:
        process = start(path, "--no-preflight", "--resume", cwd=tmp_path)
        done = len(read_rows(folder.log))
        wanted = done + chance.randint(1, 4)
        while process.poll() is None and len(read_rows(folder.log)) < wanted and kills < 4:
            time.sleep(0.001)
        if kills < 4 and process.poll() is None:
            time.sleep(chance.uniform(0, 0.06))
            process.send_signal(number)
        if process.wait(timeout=900) == 0:
            return kills
        kills += 1


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_runs_end_with_the_same_weights(tmp_path: Path, klein_folder: Path, seed: int) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        config(folder, klein_folder, saving={"every_steps": 1})
    assert train("run.toml", "--no-preflight", cwd=whole).returncode == 0
    assert killed_and_gone_on(broken, broken / "run.toml", seed) > 0, (broken / "out.txt").read_text()
    one, other = RunFolder(whole / "run"), RunFolder(broken / "run")
    assert one.steps() == other.steps() == list(range(1, 13))
    for step in one.steps():
        assert weights(one.checkpoint(step)) == weights(other.checkpoint(step)), f"step {step} differs"
    losses = [[(row["step"], row["loss"]) for row in read_rows(each.log)] for each in (one, other)]
    assert losses[0] == losses[1]


def test_ctrl_c_saves_and_leaves(tmp_path: Path, sana_folder: Path) -> None:
    path = config(tmp_path, sana_folder, training={"steps": 5000}, saving={"every_steps": 5000})
    process = start(path, "--no-preflight", cwd=tmp_path)
    folder = RunFolder(tmp_path / "run")
    while len(read_rows(folder.log)) < 2:
        assert process.poll() is None, (tmp_path / "out.txt").read_text()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=600) == 130
    (step,) = folder.steps()
    record = json.loads(folder.run.read_bytes())
    assert (record["status"], record["step"]) == ("interrupted", step)
    assert f"interrupted at step {step} of 5000" in (tmp_path / "out.txt").read_text()


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_is_a_sentence(tmp_path: Path, klein_folder: Path) -> None:
    ran = train(config(tmp_path, klein_folder), "--no-preflight", cwd=tmp_path, preexec_fn=limited)
    assert ran.returncode == 2
    assert "the checkpoint of step 3 can't be written" in ran.stderr
    assert "there is none yet" in ran.stderr
    assert "Traceback" not in ran.stderr
    folder = RunFolder(tmp_path / "run")
    assert list(folder.checkpoints.iterdir()) == []
    assert json.loads(folder.run.read_bytes())["status"] == "failed"


def test_a_loss_that_is_no_number(tmp_path: Path, sana_folder: Path, call: Call) -> None:
    changed: dict[str, Any] = {
        "optimizer": {"learning_rate": 1e30, "gradient_clip": 0.0},
        "schedule": {"name": "constant", "warmup_steps": 0},
        "saving": {"every_steps": 1},
    }
    ran = call("train", config(tmp_path, sana_folder, **changed), "--no-preflight")
    assert ran.code == 2
    assert "no step was made with it" in ran.err
    assert "the last good checkpoint is step-000001" in ran.err
    assert "lower optimizer.learning_rate (now 1e+30)" in ran.err
    assert RunFolder(tmp_path / "run").steps() == [1]


def test_two_processes_in_one_folder(tmp_path: Path, sana_folder: Path, call: Call) -> None:
    path = config(tmp_path, sana_folder, training={"steps": 100000}, saving={"every_steps": 100000})
    first = start(path, "--no-preflight", cwd=tmp_path)
    try:
        while not RunFolder(tmp_path / "run").log.exists():
            assert first.poll() is None
            time.sleep(0.01)
        second = call("train", path, "--no-preflight", "--resume")
        assert second.code == 2
        assert "another process is training in" in second.err
    finally:
        first.kill()
        first.wait()


def test_a_run_that_is_there_is_not_written_over(tmp_path: Path, sana_folder: Path, call: Call) -> None:
    path = config(tmp_path, sana_folder)
    assert call("train", path, "--no-preflight").code == 0
    again = call("train", path, "--no-preflight")
    assert again.code == 2
    assert "holds a run already, up to step-000012: --resume goes on with it" in again.err
    finished = call("train", path, "--no-preflight", "--resume")
    assert "has all of the 12 steps: --steps N with a larger number goes on" in finished.err
    assert call("train", path, "--no-preflight", "--resume", "--steps", "14").code == 0
    assert RunFolder(tmp_path / "run").steps() == [3, 6, 9, 12, 14]
    config(tmp_path, sana_folder, optimizer={"learning_rate": 2e-3}, training={"steps": 16})
    faster = call("train", path, "--no-preflight", "--resume")
    assert "changed since this run began: optimizer.learning_rate: 0.001 before, 0.002 now" in faster.err
    assert "a change of 100 %" in faster.out
    config(tmp_path, sana_folder, adapter={"rank": 4}, training={"steps": 18})
    wider = call("train", path, "--no-preflight", "--resume")
    assert wider.code == 2
    assert "adapter.rank: 2 before, 4 now" in wider.err


SEED = """\
accelerate launch train_dreambooth_lora_sana.py \\
  --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
  --instance_data_dir=images --output_dir=run --mixed_precision=bf16 \\
  --instance_prompt="a photo of sks ring" --resolution=64 --train_batch_size=1 \\
  --gradient_accumulation_steps=4 --use_8bit_adam --learning_rate=1e-4 --lr_scheduler=constant \\
  --lr_warmup_steps=0 --max_train_steps=500 --validation_prompt="A photo of sks ring on velvet" \\
  --validation_epochs=25 --seed=0 --cache_latents --offload
"""


def test_the_seeds_sana_command_is_trained(tmp_path: Path, sana_folder: Path, call: Call) -> None:
    config(tmp_path, sana_folder)
    (tmp_path / "seed.sh").write_text(SEED)
    refused = call("train", "seed.sh", "--no-preflight", "--steps", "2")
    assert refused.code == 2
    assert "hf download Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers" in refused.err
    ran = call("train", "seed.sh", "--model", sana_folder, "--no-preflight", "--steps", "2")
    assert ran.code == 0, ran.err
    resolved = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert resolved["data"][0]["prompt"] == "a photo of sks ring"
    assert resolved["training"] == {"steps": 2, "batch_size": 1, "accumulation": 4, "seed": 0, "processes": 1}
    assert resolved["adapter"]["targets"] == ["to_k", "to_q", "to_v"]


@pytest.mark.parametrize(("name", "model"), [("sana", "sana"), ("klein-fp8", "klein"), ("sdxl", "sdxl")],
                         indirect=["model"])  # fmt: skip
def test_a_recipe_is_one_command(tmp_path: Path, name: str, model: Path, call: Call) -> None:
    make_images(tmp_path / "images")
    ran = call(
        "train", "--recipe", name, "--data", "images", "--trigger", "sks", "--model", model, "--steps", "1",
        "--resolution", "64", "--output", "run", "--no-preflight",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    resolved = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert resolved["captions"]["trigger"] == "sks"
    assert resolved["precision"]["base"] == ("fp8" if name == "klein-fp8" else "bf16")


def test_captions_of_another_encoding_are_refused(tmp_path: Path, call: Call) -> None:
    """In lora-doctor's own words by the linter, of another trainer's config in a sentence; no weight is loaded."""
    images = make_images(tmp_path / "images")
    (images / "1.txt").write_bytes("a zwx ring in a café".encode("cp1252"))
    (images / "3.txt").write_bytes("a zwx ring on a table".encode("utf-16-le"))  # without a mark
    args = ["--data", "images", "--trigger", "zwx", "--steps", "1", "--output", "run"]
    own = call("train", *args)
    assert own.code == 1
    assert "2 of 4 captions are not UTF-8 (1.txt, 3.txt; byte 0xe9 at 19): lora-doctor stops there" in own.out
    (tmp_path / "pipe.toml").write_text(PIPE)
    (tmp_path / "data.toml").write_text('resolutions = [64]\n[[directory]]\npath = "images"\n')
    others = call("train", "pipe.toml", "--model", str(micro_klein()), "--steps", "1", "--output", "run")
    assert others.code == 2, others.out + others.err
    *_, sentence = others.err.strip().splitlines()
    assert "2 of 4 captions in " in sentence
    assert " are not UTF-8 (1.txt, 3.txt), and their letters would be guessed" in sentence
    assert not (tmp_path / "run").exists()
    mend = re.search(r"`lora-doctor (dataset fix .*?)`", sentence)
    assert mend is not None
    assert call(*mend[1].split()).code == 0
    assert (tmp_path / "images-mended" / "1.txt").read_text() == "a zwx ring in a café"
    assert (tmp_path / "images-mended" / "3.txt").read_text() == "a zwx ring on a table"
    anyway = call("train", *args, "--no-preflight")
    assert anyway.code == 0, anyway.err
    assert " are not UTF-8 (1.txt, 3.txt)" in anyway.err


PIPE = """
output_dir = "run"
dataset = "data.toml"
epochs = 10
save_every_n_epochs = 5
micro_batch_size_per_gpu = 1
[model]
type = "flux2"
diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
vae = "/models/ae.safetensors"
text_encoders = [{path = "/models/qwen_3_4b.safetensors", type = "flux2"}]
dtype = "bfloat16"
[adapter]
type = "lora"
rank = 4
dtype = "bfloat16"
[optimizer]
type = "adamw"
lr = 1e-4
"""


DRY = """
import sys
from lora_doctor.cli import main
sys.argv = ["lora-doctor", *sys.argv[1:]]
try: main()
except SystemExit as error: print(error.code, *sorted(m for m in sys.modules if "." not in m), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("args", "code"), [(["--help"], 0), (["run.toml", "--dry-run", "--no-preflight"], 0), (["run.toml"], 1)]
)
def test_torch_waits_for_the_preflight(tmp_path: Path, sana_folder: Path, args: list[str], code: int) -> None:
    config(tmp_path, sana_folder, training={"stepps": 3} if code else {})
    ran = subprocess.run(
        [sys.executable, "-c", DRY, "train", *args], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    found, *modules = ran.stderr.splitlines()[-1].split()
    assert int(found) == code, ran.stderr
    assert not {"torch", "diffusers", "transformers", "accelerate"} & set(modules)
    assert "lora_doctor" in modules
    if args[-1:] == ["--no-preflight"]:
        assert "optimiser" in ran.stdout
        assert "known after the first steps" in ran.stdout
    if code:
        assert "stepps" in ran.stdout
        assert "--no-preflight trains in spite of it" in ran.stderr
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([], "train what?"),
        (["--data", "images"], "which run folder?"),
        (["--data", "nowhere", "--output", "run", "--steps", "1"], "is no folder that can be read"),
        (["--data", "empty", "--output", "run", "--steps", "1"], "holds no image"),
        (["--data", "images", "--output", "run"], "how long?"),
        (["--data", "images", "--output", "run.toml/run", "--steps", "1"], "can't be written: not a directory"),
        (["missing.toml"], "missing.toml: can't be read"),
        (["--data", "images", "--output", "run", "--steps", "1", "--model", "images"], "has no model_index.json"),
        (["run.toml", "--resolution", "102"], "`data.0.resolution` (--resolution): 102 px is no multiple of 4"),
        (["targets.toml"], "`adapter.targets` (targets.toml line 12): 'to_x' matches no layer"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, sana_folder: Path, call: Call, args: list[str], sentence: str
) -> None:
    config(tmp_path, sana_folder, adapter={"targets": ["to_x"]}).rename(tmp_path / "targets.toml")
    config(tmp_path, sana_folder)
    (tmp_path / "empty").mkdir()
    model = [] if "--model" in args or not args or args[0].endswith("toml") else ["--model", str(sana_folder)]
    ran = call("train", *args, *model, "--no-preflight")
    assert ran.code == 2
    assert sentence in ran.err
    assert "internal error" not in ran.err


def test_without_a_model_the_micro_klein_is_trained(tmp_path: Path, call: Call) -> None:
    """A config and flags alike, and both say so; the linter has nothing against it."""
    make_images(tmp_path / "images")
    (tmp_path / "run.toml").write_text(
        'output = "run"\n[captions]\ntrigger = "zwx"\n[training]\nsteps = 1\n[[data]]\nfolder = "images"\n'
    )
    for args in (["run.toml"], ["--data", "images", "--trigger", "zwx", "--steps", "1", "--output", "run"]):
        ran = call("train", *args, "--dry-run")
        assert ran.code == 0, ran.out + ran.err
        assert "no model is named: lora-doctor's own micro Klein is trained" in ran.err
        assert "lab/weights/klein" in ran.out.replace("\\", "/")


def test_out_of_memory_names_what_takes_less(tmp_path: Path) -> None:
    import torch

    from lora_doctor.train.job import Job, Model, Training
    from lora_doctor.train.trouble import told

    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    job = Job(tmp_path, Model(tmp_path, "sana"), (), Training(10, batch_size=4))
    sentence = told(caught.value, job, RunFolder(tmp_path))
    assert sentence is not None
    assert sentence.startswith("out of memory (")
    assert 'training.batch_size = 1 with accumulation = 4, precision.base = "fp8"' in sentence


def test_text_encoders_are_trained_where_they_can_be(tmp_path: Path, sdxl_folder: Path, call: Call) -> None:
    path = config(
        tmp_path,
        sdxl_folder,
        adapter={"text_encoder": True, "dropout": 0.0},
        training={"steps": 2},
        optimizer={"text_encoder_learning_rate": 1e-2, "ema": False},
        schedule={"name": "constant", "warmup_steps": 0},
    )
    ran = call("train", path, "--no-preflight")
    assert ran.code == 0, ran.err
    tensors = load_file(RunFolder(tmp_path / "run").checkpoint(2) / "pytorch_lora_weights.safetensors")
    for part in ("unet.", "text_encoder.", "text_encoder_2."):
        ups = [value for name, value in tensors.items() if name.startswith(part) and "lora_B" in name]
        assert ups, part
        assert any(value.any() for value in ups), f"{part} learned nothing"
    resolved = tomllib.loads((tmp_path / "run" / "config.toml").read_text())
    assert resolved["memory"]["cache_text"] is False


def test_going_on_is_the_same_as_never_stopping(tmp_path: Path, sana_folder: Path, call: Call) -> None:
    """With dropout, a moving average, samples and measurements before the first step and between."""
    schedule = {"name": "constant_with_warmup", "warmup_steps": 2}
    config(tmp_path, sana_folder, schedule=schedule, training={"steps": 4}, validation={"every_steps": 2})
    assert call("train", "run.toml", "--no-preflight", "--output", "whole").code == 0
    assert call("train", "run.toml", "--no-preflight", "--output", "parts", "--steps", "2").code == 0
    assert call("train", "run.toml", "--no-preflight", "--output", "parts", "--resume").code == 0
    whole, parts = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "parts")
    assert weights(whole.checkpoint(4)) == weights(parts.checkpoint(4))
    losses = [[(row["step"], row["loss"]) for row in read_rows(each.log)] for each in (whole, parts)]
    assert losses[0] == losses[1]
