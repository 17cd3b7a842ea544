"""Encoders of the real classes, on real files: copies rank first, prompts are told apart, a wrong folder is said."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from lora_doctor.cli import run
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.scan import scan
from lora_doctor.probe import given
from lora_doctor.probe.detectors import detect
from lora_doctor.probe.encoders import encoder, texts
from lora_doctor.symptoms.bodies import Body, clearness, too_many
from lora_doctor.symptoms.encoded import Shown
from tests.diagnose.folders import picture, scene, write_run

from . import encoders as made

COLOURS = {"a red room": (40, 40, 210), "a green field": (40, 200, 40), "the blue sea": (210, 60, 40)}


class Models(NamedTuple):
    """Folders and files of every kind."""

    dino: Path
    clip: Path
    random_clip: Path
    siglip: Path
    sscd: Path
    yolos: Path
    vitpose: Path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    root = tmp_path_factory.mktemp("encoders")
    return Models(
        made.dino(root / "dino"), made.clip(root / "clip", COLOURS), made.clip(root / "random"),
        made.siglip(root / "siglip"), made.sscd(root / "sscd.torchscript.pt"), made.yolos(root / "yolos"),
        made.vitpose(root / "vitpose"),
    )  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for i in range(6):
        picture(tmp_path / "images" / f"{i}.png", scene(50, i))
    return tmp_path / "images"


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))

    def calling(*args: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = run(["diagnose", *(str(arg) for arg in args)])
        return (code, *capfd.readouterr())

    return calling


def shown(folder: Path, store: Cache) -> Shown:
    names = sorted(path.name for path in folder.iterdir())
    found = scan(folder, names, store)
    return Shown(folder, names, [digest.tobytes() for digest in found.records["digest"]])


@pytest.mark.parametrize("kind", ["sscd", "dino", "clip", "siglip"])
def test_even_a_random_network_ranks_a_copy_above_another_picture(models: Models, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "pictures"
    for i in range(5):
        picture(folder / f"{i}.png", scene(50, i))
        copy = cv2.resize(scene(50, i), (160, 160), interpolation=cv2.INTER_AREA)
        picture(folder / f"{i}-copy.jpg", copy)
    opened = {"sscd": given.sscd, "dino": given.dino}.get(kind, given.clip)
    store = Cache(tmp_path / "cache.sqlite")
    seen = shown(folder, store)
    rows = encoder(opened(getattr(models, kind)))(seen, store, None)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    likes = rows @ rows.T - 9 * np.eye(len(rows))
    for place, name in enumerate(seen.names):
        assert seen.names[int(likes[place].argmax())][0] == name[0], name
    again = encoder(opened(getattr(models, kind)))(seen, store, lambda *_: pytest.fail("all of it is cached"))
    assert np.array_equal(rows, again)
    store.close()


def test_prompts_are_encoded_by_either_kind(models: Models) -> None:
    for folder in (models.clip, models.siglip):
        rows = texts(given.clip(folder))(["a red room", "x" * 5000, "a red room"])
        assert np.allclose(rows[0], rows[2], atol=1e-5)
        assert not np.allclose(rows[0], rows[1], atol=1e-3)


def signals(call: Callable[..., Any], *args: str | Path) -> dict[str, Any]:
    _, out, err = call(*args, "--json")
    assert not err
    found: dict[str, Any] = json.loads(out)
    return found


def verdict(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in data["verdicts"] if each["symptom"] == name)


def other(step: int, slot: int) -> Any:
    """Pictures of nobody's training images."""
    return scene(90, slot, step)


def test_copies_by_sscd_and_dino(models: Models, call: Callable[..., Any], tmp_path: Path, images: Path) -> None:
    options = ("--dataset", images, "--sscd", models.sscd, "--dino", models.dino)
    well = write_run(tmp_path / "well", "lora-doctor", paint=other, slots=4)
    data = signals(call, well, *options)
    assert data["signals"]["sscd_copies"]["values"] == [0, 0, 0]
    assert data["signals"]["sscd_copies"]["kind"] == "encoders"
    ill = write_run(
        tmp_path / "ill", "lora-doctor", slots=4,
        paint=lambda step, slot: scene(50, slot) if step >= 200 else other(step, slot),
    )  # fmt: skip
    data = signals(call, ill, *options)
    assert data["signals"]["sscd_copies"]["values"] == [0, 1, 1]
    assert data["signals"]["dino_copies"]["values"][1:] == [1, 1]
    found = verdict(data, "training-images-reproduced")
    assert (found["state"], found["since"]) == ("present", 200)
    told = {each["signal"]: each["provenance"] for each in found["evidence"]}
    assert told["sscd_copies"] == "published"
    assert told["dino_copies"] == "not yet calibrated"


def test_the_second_look_loads_no_model(models: Models, call: Callable[..., Any], tmp_path: Path, images: Path) -> None:
    root = write_run(tmp_path / "run", "lora-doctor", paint=other)
    args = ["diagnose", str(root), "--dataset", str(images), "--dino", str(models.dino), "--json"]
    first = signals(call, *args[1:-1])
    code = (
        "import sys\nfrom lora_doctor.cli import run\nrun(sys.argv[1:])\n"
        "print([name for name in sys.modules if name.startswith('transformers.models')], file=sys.stderr)"
    )
    again = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["signals"]["encoder_diversity"] == first["signals"]["encoder_diversity"]
    assert again.stderr.strip() == "[]"


def coloured(root: Path, paint: Callable[[int, str], tuple[int, ...]], uncalled: tuple[str, ...] = ()) -> Path:
    """A run of lora-doctor's own whose samples have the given colours; uncalled: prompts without the trigger."""
    write_run(root, "lora-doctor", samples=())
    rows = []
    rng = np.random.default_rng(3)
    for step in (0, 100, 200, 300):
        for slot in range(12):
            prompt = list(COLOURS)[slot % 3]
            name = f"samples/step-{step:06d}/{slot}.png"
            picture(root / name, made.tinted(rng, paint(step, prompt)))
            kind = "class" if prompt in uncalled else "trigger"
            rows.append({"step": step, "file": name, "prompt": prompt, "seed": slot, "kind": kind})
    (root / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def test_a_prompt_that_is_ignored(models: Models, call: Callable[..., Any], tmp_path: Path) -> None:
    well = coloured(tmp_path / "well", lambda step, prompt: COLOURS[prompt])
    data = signals(call, well, "--clip", models.clip)
    assert data["signals"]["prompt_retrieval"]["values"] == [0, 0, 0]
    assert data["signals"]["prompt_retrieval"]["against"] == "step 0's 100%"
    assert verdict(data, "prompt-ignored")["state"] != "present"
    ill = coloured(tmp_path / "ill", lambda step, prompt: COLOURS["a red room" if step >= 200 else prompt])
    data = signals(call, ill, "--clip", models.clip)
    assert data["signals"]["prompt_retrieval"]["values"] == pytest.approx([0, -2 / 3, -2 / 3])
    assert data["signals"]["prompt_alignment"]["values"][-1] < -0.1
    found = verdict(data, "prompt-ignored")
    assert (found["state"], found["since"]) == ("present", 200)
    data = signals(call, ill, "--clip", models.random_clip)
    assert "prompt_retrieval" not in data["signals"]
    assert "can't tell these prompts apart" in data["not_measured"]["prompt_retrieval"]


def test_what_was_learned_is_seen_with_the_trigger_and_without(
    models: Models, call: Callable[..., Any], tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    red = COLOURS["a red room"]
    for i in range(6):
        picture(tmp_path / "red" / f"{i}.png", made.tinted(rng, red))
    uncalled = ("the blue sea",)

    def course(name: str, paint: Callable[[int, str], tuple[int, ...]]) -> dict[str, Any]:
        root = coloured(tmp_path / name, paint, uncalled)
        return signals(call, root, "--dataset", tmp_path / "red", "--clip", models.clip)

    gated = course("gated", lambda step, prompt: red if step >= 200 and prompt not in uncalled else COLOURS[prompt])
    assert gated["signals"]["fidelity"]["values"] == pytest.approx([0, 1, 1], abs=0.2)
    assert gated["signals"]["uncalled_subject"]["values"] == pytest.approx([0, 0], abs=0.2)
    assert verdict(gated, "trigger-leaks")["state"] != "present"
    leaking = course("leaking", lambda step, prompt: red if step >= 200 else COLOURS[prompt])
    assert all(value > 0.9 for value in leaking["signals"]["uncalled_subject"]["values"])
    found = verdict(leaking, "trigger-leaks")
    assert found["state"] == "present"
    assert "as near to the training images" in found["message"]


def test_bodies_and_their_parts(models: Models, call: Callable[..., Any], tmp_path: Path, images: Path) -> None:
    root = write_run(tmp_path / "run", "lora-doctor", paint=other)
    data = signals(call, root, "--dataset", images, "--detector", models.yolos)
    assert data["signals"]["parts_too_many"]["values"] == [0, 0, 0], "five hands on sound pictures too"
    assert data["signals"]["parts_too_many"]["against"] == "the 100% of sound pictures"
    store = Cache(tmp_path / "cache.sqlite")
    seen = shown(images, store)
    people = made.yolos(tmp_path / "people", "person")
    found = detect([given.detector(people), given.detector(models.vitpose)])(seen, store, None)
    for bodies in found:
        assert bodies is not None
        assert [each.label for each in bodies] == ["person"] * 5
        assert all(each.clear is not None and 0 <= each.clear <= 1 for each in bodies)
        assert not too_many(bodies)
    store.close()


def test_what_counts_as_too_many() -> None:
    hands = [Body("left_hand", 0.9), Body("Hand", 0.8), Body("human hand", 0.7)]
    assert too_many(hands)
    assert not too_many(hands[:2])
    assert not too_many([*hands, Body("person", 0.9), Body("woman", 0.9)])
    assert not too_many([*hands[:2], Body("hand", 0.4)])
    assert too_many([Body("person", 0.9), Body("faces", 0.9), Body("face", 0.9)])
    assert clearness([Body("hand", 0.9)]) == 0
    assert clearness([Body("person", 0.9, 0.3), Body("person", 0.5, 0.8)]) == 0.3


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _half(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _fewer(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = dict(list(tensors.items())[: len(tensors) // 2])
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


def _shard_gone(folder: Path) -> None:
    _without("model.safetensors")(folder)
    index = {"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": ')


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_without("config.json"), "no config.json"),
        (_no_json, "not valid JSON"),
        (_without("model.safetensors"), "has no weights"),
        (_without("preprocessor_config.json"), "has no preprocessor_config.json"),
        (_half, "truncated"),
        (_pickled, "never unpickled"),
        (_fewer, "of the model's tensors are not in its weights"),
        (_shard_gone, "model-00001-of-00002.safetensors of its weights is not there"),
        (shutil.rmtree, "is not there"),
    ],
)
@pytest.mark.parametrize("option", ["dino", "clip", "detector"])
def test_half_a_folder_is_told_in_one_sentence(
    models: Models, call: Callable[..., Any], tmp_path: Path, images: Path, option: str, spoil: Any, says: str
) -> None:
    source = models.yolos if option == "detector" else getattr(models, option)
    shutil.copytree(source, tmp_path / option)
    spoil(tmp_path / option)
    root = write_run(tmp_path / "run", "lora-doctor", paint=other)
    code, out, err = call(root, "--dataset", images, f"--{option}", tmp_path / option)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1, err
    assert f"--{option} {tmp_path / option}" in err


def test_the_wrong_model_is_told(models: Models, call: Callable[..., Any], tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", "lora-doctor", paint=other)
    whole = models.sscd.read_bytes()
    (tmp_path / "half.pt").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pt").write_text("no")
    import torch

    torch.save({"weights": torch.zeros(2)}, tmp_path / "sscd.classy.pt")
    for option, path, says in (
        ("--dino", models.clip, "is a `clip`"),
        ("--clip", models.dino, "is a `dinov2`"),
        ("--detector", models.dino, "is a Dinov2Model"),
        ("--dino", models.sscd, "is a file, not a folder"),
        ("--sscd", models.dino, "is a folder"),
        ("--sscd", tmp_path / "none.pt", "is not there"),
        ("--sscd", tmp_path / "half.pt", "only a part of one"),
        ("--sscd", tmp_path / "text.pt", "no TorchScript file"),
        ("--sscd", tmp_path / "sscd.classy.pt", "weights without their program"),
    ):
        code, out, err = call(root, option, path)
        assert (code, out) == (2, ""), err
        assert says in err
        assert len(err.strip().splitlines()) == 1, err
    code, _, err = call(root, "--detector", models.yolos, "--detector", models.yolos)
    assert code == 2
    assert "not twice" in err
