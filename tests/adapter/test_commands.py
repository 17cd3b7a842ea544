"""The commands as a user runs them: output, exit codes, files."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lora_doctor.cli import run

from .samples import made

KLEIN = "flux2-klein-4b"
ALPHA = {"lora_adapter_metadata": '{"transformer.r": 2, "transformer.lora_alpha": 8}'}


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = run([str(a) for a in args])
    out = capsys.readouterr()
    return code, out.out, out.err


def test_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, model=KLEIN, targets=r"blocks\.", metadata=ALPHA).file.path
    code, out, err = call(capsys, "inspect", path)
    assert (code, err) == (1, "")
    for piece in (
        "flux2-klein-4b (certain", "trained at scale 4", "25 of 25 blocks", "0.25 times the trained strength",
        "lora-doctor bake-alpha", "alpha-in-metadata-only", "weights    not read",
    ):  # fmt: skip
        assert piece in out


def test_inspect_says_nothing_where_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, model=KLEIN, format="comfyui", targets=r"blocks\.").file.path
    code, out, _ = call(capsys, "inspect", path)
    assert code == 0
    assert "[" not in out.replace("[data]", "")


def test_inspect_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, model="flux2-klein-9b", format="kohya", targets="single_blocks.0", alpha=1.0).file.path
    code, out, _ = call(capsys, "inspect", path, "--json")
    document = json.loads(out)
    (file,) = document["files"]
    assert code == 0
    assert (document["version"], file["model"]["label"], file["model"]["certainty"]) == (1, "flux2-klein-9b", "certain")
    assert file["scales"] == {"values": [0.5], "source": "tensors"}
    assert {row["consumer"] for row in file["loads"]} >= {"diffusers", "ComfyUI"}
    assert file["health"] is None


@pytest.mark.parametrize(
    "base, code, words",
    [
        ("black-forest-labs/FLUX.2-klein-base-9B", 1, "does not fit"),
        ("black-forest-labs/FLUX.2-klein-base-4B", 0, "no header tells which one"),
        ("black-forest-labs/FLUX.2-klein-4B", 0, "distilled"),
        ("flux-2-klein-4b-fp8.safetensors", 0, "stored in fp8"),
        ("some/thing", 0, "cannot be told"),
    ],
)
def test_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str], base: str, code: int, words: str) -> None:
    path = made(tmp_path, model=KLEIN, format="comfyui", targets="single_blocks.0").file.path
    found, out, _ = call(capsys, "inspect", path, "--base", base)
    assert words in out
    assert found == code


def test_fit_of_a_model_on_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "base" / "transformer"
    folder.mkdir(parents=True)
    (tmp_path / "base" / "model_index.json").write_text('{"_class_name": "Flux2KleinPipeline"}')
    config = {
        "_class_name": "Flux2Transformer2DModel",
        "num_attention_heads": 32,
        "num_layers": 8,
        "num_single_layers": 24,
    }
    (folder / "config.json").write_text(json.dumps({**config, "attention_head_dim": 128, "joint_attention_dim": 12288}))
    path = made(tmp_path, model=KLEIN, format="comfyui", targets="single_blocks.0").file.path
    code, out, _ = call(capsys, "inspect", path, "--base", tmp_path / "base")
    assert code == 1
    assert "made-for-another-model" in out


def test_no_lora(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"PK\x03\x04 and so on")
    good = made(tmp_path, model=KLEIN, format="comfyui", targets="single_blocks.0").file.path
    code, out, err = call(capsys, "inspect", tmp_path / "x.safetensors", good)
    assert code == 2
    assert "zip" in err
    assert err.count("\n") == 1
    assert "flux2-klein-4b" in out  # the others are told all the same


def test_tensors_of_no_layer_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An embedding in the same file: no program takes it for a layer."""
    extra = {"bundle_emb.zwx.clip_l": [2, 768]}
    path = made(tmp_path, model=KLEIN, format="comfyui", targets="single_blocks.0", extra=extra).file.path
    assert "tensors of no layer: 1, e.g. bundle_emb.zwx.clip_l" in call(capsys, "inspect", path)[1]


def test_names_cannot_paint_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stem = "transformer.\x1b[31mred"
    extra = {f"{stem}.lora_A.weight": [2, 8], f"{stem}.lora_B.weight": [8, 2]}
    bell = {"a": "\x1b]0;x\x07"}
    path = made(tmp_path, model=KLEIN, targets="single_transformer_blocks.0", extra=extra, metadata=bell).file.path
    for args in (("inspect", path), ("metadata", "show", path)):
        _, out, _ = call(capsys, *args)
        assert "\x1b[31m" not in out
        assert "\x07" not in out


@pytest.mark.parametrize("alpha", [math.inf, -math.inf, math.nan, -1.0, 0.0, 1e-38, 3e38])
def test_any_alpha(tmp_path: Path, capsys: pytest.CaptureFixture[str], alpha: float) -> None:
    path = made(tmp_path, model=KLEIN, format="kohya", targets="single_blocks.0", alpha=alpha, rank=4).file.path
    assert call(capsys, "inspect", path)[0] in (0, 1)
    code, out, err = call(capsys, "inspect", path, "--json")
    assert err == ""
    rules = {finding["rule"] for finding in json.loads(out)["files"][0]["findings"]}
    assert ("alpha-not-finite" in rules) == (not math.isfinite(alpha))
    assert code == int(bool(rules))


def test_any_alpha_in_metadata(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for alpha in ("Infinity", "NaN", "-3", "0", "1e999", "null", '"x"'):
        recorded = {"lora_adapter_metadata": f'{{"transformer.r": 2, "transformer.lora_alpha": {alpha}}}'}
        path = made(tmp_path, model=KLEIN, targets="single_transformer_blocks.0", metadata=recorded).file.path
        code, out, err = call(capsys, "inspect", path, "--json")
        assert (code in (0, 1), err) == (True, ""), alpha
        json.loads(out)


def test_metadata(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = {**ALPHA, "ss_tag": "secret"}
    path = made(tmp_path, model=KLEIN, targets="single_transformer_blocks.0", metadata=entries).file.path
    before = path.read_bytes()
    assert call(capsys, "metadata", "set", path, "author=me", "--output", tmp_path / "b.safetensors")[0] == 0
    assert "author: me" in call(capsys, "metadata", "show", tmp_path / "b.safetensors")[1]
    code, _, err = call(capsys, "metadata", "strip", path, "--output", tmp_path / "c.safetensors")
    assert code == 0
    assert "alpha stands there alone" in err
    left = json.loads(call(capsys, "metadata", "show", tmp_path / "c.safetensors", "--json")[1])
    assert set(left) == {"lora_adapter_metadata"}
    assert path.read_bytes() == before
    assert call(capsys, "metadata", "strip", path, "--output", path)[0] == 2
    assert path.read_bytes() == before


@pytest.mark.parametrize("word", ["strip", "set"])
def test_the_commands_within_metadata_are_pointed_at(capsys: pytest.CaptureFixture[str], word: str) -> None:
    code, _, err = call(capsys, word, "a.safetensors")
    assert code == 2
    assert f"it is `lora-doctor metadata {word}`" in err


def test_change(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ml_dtypes", reason="weights are read with the data extra: pip install 'lora-doctor[data]'")
    one = made(tmp_path, "one", model=KLEIN, targets="single_transformer_blocks.0", metadata=ALPHA).file.path
    other = made(tmp_path, "two", model=KLEIN, format="kohya", targets="single_blocks.0", alpha=1.0, seed=3).file.path
    sources = one.read_bytes(), other.read_bytes()

    def new(name: str, *args: object) -> Path:
        out = tmp_path / f"{name}.safetensors"
        code, _, err = call(capsys, *args, "--output", out)
        assert code == 0, err
        return out

    kohya = new("kohya", "convert", one, "--to", "kohya")
    assert call(capsys, "diff", one, kohya)[0] == 0
    baked = new("baked", "bake-alpha", one)
    assert call(capsys, "diff", one, baked)[0] == 0
    assert call(capsys, "inspect", baked)[0] == 0
    assert call(capsys, "diff", one, other)[0] == 1
    merged = new("merged", "merge", f"{one}:0.8", f"{other}:0.5")
    assert "rank       4" in call(capsys, "inspect", merged)[1]
    assert "rank       1" in call(capsys, "inspect", new("small", "resize", merged, "--rank", "1"))[1]
    new("mean", "average", kohya, other)
    assert (one.read_bytes(), other.read_bytes()) == sources
    assert call(capsys, "convert", one, "--to", "kohya", "--output", one)[0] == 2
    assert call(capsys, "convert", one, "--to", "kohya", "--output", kohya)[0] == 2
    assert call(capsys, "convert", one, "--to", "kohya", "--output", kohya, "--overwrite")[0] == 0


def test_weights_and_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ml_dtypes", reason="weights are read with the data extra: pip install 'lora-doctor[data]'")
    fields = {"model": KLEIN, "format": "comfyui", "targets": "single_blocks.[01]"}
    paths = [made(tmp_path, f"run_{step:09d}", **fields, seed=seed).file.path for step, seed in ((250, 1), (500, 1))]
    code, out, _ = call(capsys, "inspect", *paths, "--weights")
    assert code == 1
    assert "same-weights-again" in out
    assert "growth" in out
    code, out, _ = call(capsys, "inspect", *paths, "--weights", "--json")
    document = json.loads(out)
    assert len(document["series"]["norms"]) == 2
    assert document["files"][0]["health"]["layers"][0]["effective_rank"] > 1


def test_a_picture_never_replaces_a_lora(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = made(tmp_path, model=KLEIN, format="comfyui", targets="single_blocks.0").file.path
    before = path.read_bytes()
    assert call(capsys, "inspect", path, "--png", path)[0] == 2
    assert path.read_bytes() == before


def test_weight_after_a_colon() -> None:
    from lora_doctor.cli.merge import weighted

    assert weighted("a.safetensors:0.8") == ("a.safetensors", 0.8)
    assert weighted("a.safetensors") == ("a.safetensors", 1.0)
    assert weighted(r"C:\loras\a.safetensors") == (r"C:\loras\a.safetensors", 1.0)
    assert weighted(r"C:\loras\a.safetensors:-1") == (r"C:\loras\a.safetensors", -1.0)
    assert weighted("a:nan") == ("a:nan", 1.0)


PROBE = """
import sys
from lora_doctor.cli import run
class No:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "ml_dtypes", "matplotlib", "safetensors", "torch"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, No())
import importlib.util as u
find = u.find_spec
u.find_spec = lambda name, package=None: None if name in ("numpy", "ml_dtypes", "matplotlib") else find(name, package)
sys.exit(run(sys.argv[1:]))
"""


def bare(*args: object) -> subprocess.CompletedProcess[str]:
    """lora-doctor on a machine without the data extra."""
    command = [sys.executable, "-c", PROBE, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LORA_DOCTOR_DEBUG": "1"})


def test_without_the_extra(tmp_path: Path) -> None:
    path = made(tmp_path, model=KLEIN, targets="single_transformer_blocks.0", metadata=ALPHA).file.path
    done = bare("inspect", path)
    assert (done.returncode, done.stderr) == (1, "")
    assert "flux2-klein-4b" in done.stdout
    assert bare("metadata", "show", path).returncode == 0
    for args in (
        ("inspect", path, "--weights"),
        ("convert", path, "--to", "kohya", "--output", tmp_path / "b.safetensors"),
        ("diff", path, path),
    ):
        done = bare(*args)
        assert done.returncode == 2
        assert done.stderr == "lora-doctor: this needs numpy, which is not installed: pip install 'lora-doctor[data]'\n"
