"""Windows without WSL: its paths, line ends and encodings; nothing that only POSIX has where users go."""

from __future__ import annotations

import ast
import ntpath
import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_doctor.cli.writing import file_name
from lora_doctor.compare import same
from lora_doctor.dataset.listing import list_folder
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.writers import writer
from lora_doctor.lint import lint_file
from lora_doctor.models.names import identify_name
from lora_doctor.plan import Plan
from lora_doctor.source.paths import relative
from lora_doctor.source.read import read_text
from lora_doctor.translate import targets, translate

from .plans import plan_of

ROOT = Path(__file__).parent.parent.parent
PARTS = st.text(st.characters(categories=["L", "N"], include_characters=" -_.,'()&"), min_size=1, max_size=8).map(
    lambda text: f"a{text}".rstrip(" .")
)
DRIVES = st.sampled_from(("C:\\", "D:/", "\\\\nas\\share\\", "", "..\\", "models\\"))
PATHS = st.builds(lambda start, parts: start + "\\".join(parts), DRIVES, st.lists(PARTS, min_size=1, max_size=3))
FREELY = settings(deadline=None, max_examples=6, suppress_health_check=list(HealthCheck))
POSIX_ONLY = {"fcntl", "resource", "pwd", "grp", "termios", "pty", "tty", "posix", "readline", "crypt", "syslog"}
POSIX_CALLS = {"fork", "forkpty", "getuid", "geteuid", "setsid", "killpg", "mkfifo", "chown", "symlink", "uname",
               "getloadavg", "wait", "nice", "sync", "pipe2"}  # fmt: skip


def run(images: str, model: str, output: str) -> dict[str, object]:
    return {"output": output, "model.path": model, "adapter.rank": 16, "data.0.folder": images, "training.steps": 100,
            "training.batch_size": 1, "validation.prompts": ["zwx", "a 'ring' #1"]}  # fmt: skip


def read(name: str, text: bytes, trainer: str) -> Plan:
    document = read_text(name, text)
    found = recognise(document, trainer)
    assert found is not None
    return next(plan for plan in found[0].read(document, found[1], Reader()) if plan.training)


@pytest.mark.parametrize("powershell", [False, True], ids=["sh", "ps1"])
@pytest.mark.parametrize("trainer", targets())
@FREELY
@given(images=PATHS, output=PATHS)
def test_windows_paths_survive_every_trainer(trainer: str, powershell: bool, images: str, output: str) -> None:
    """Backslashes, drive letters, shares and blanks come back as they were, from files and from commands."""
    family = "sdxl" if "sdxl" in writer(trainer).FAMILIES else "flux2-klein"
    model = {"sdxl": "stabilityai/stable-diffusion-xl-base-1.0"}.get(family, "black-forest-labs/FLUX.2-klein-base-4B")
    made = translate(plan_of(run(images, model, output)), trainer, Path("out"), "zwx", powershell=powershell)
    assert made.plan.datasets[0].folder.value == images
    assert made.plan.saving.folder.value == output
    assert made.files[0].name.endswith(".ps1") or not powershell or not made.files[0].name.endswith(".sh")


@pytest.mark.parametrize("trainer", ["lora-doctor", "ai-toolkit"])
@pytest.mark.parametrize("change", [lambda text: text.replace(b"\n", b"\r\n"), lambda text: b"\xef\xbb\xbf" + text],
                         ids=["CRLF", "BOM"])  # fmt: skip
@FREELY
@given(images=PATHS)
def test_line_ends_and_byte_order_marks(trainer: str, change: object, images: str) -> None:
    plan = plan_of(run(images, "stabilityai/stable-diffusion-xl-base-1.0", "out"))
    made = translate(plan, trainer, Path("out"), "zwx")
    text = change(made.files[0].text.encode())  # type: ignore[operator]
    assert read(made.files[0].name, text, trainer).datasets[0].folder.value == images


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "latin-1"])
@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json", "a.sh", "a.ps1", "a.bat"])
def test_other_encodings_are_refused_in_a_sentence(tmp_path: Path, name: str, encoding: str) -> None:
    """Trainers read UTF-8: what Notepad saved otherwise is told, never half understood."""
    path = tmp_path / name
    path.write_bytes('{"model_type": "é", "training_method": "LORA"}\n'.encode(encoding))
    result = lint_file(path)
    assert len(result.problems) == 1
    assert "UTF-8" in result.problems[0].sentence


@given(PATHS)
def test_models_are_known_by_windows_paths(folder: str) -> None:
    name = identify_name(f"{folder}\\flux-2-klein-base-9b.safetensors")
    assert (name.family, name.size, name.variant) == ("flux2-klein", "9B", "base")


@pytest.mark.parametrize("command", ["python .\\run.py config\\job.yaml", "python C:\\ai-toolkit\\run.py .\\job.yaml"])
def test_launch_lines_with_backslashes(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = read_text("train.bat", command.encode())
    found = recognise(document)
    assert found is not None
    assert found[0].TRAINER == "ai-toolkit"


def test_a_slash_is_a_backslash_in_a_comparison() -> None:
    assert same("C:\\data\\zwx", "c:/data/zwx")
    assert not same("C:\\data\\zwx", "C:\\data\\zwy")


@given(st.text(max_size=80))
def test_names_of_new_files_suit_every_file_system(text: str) -> None:
    name = file_name(text)
    assert name
    assert len(name) <= 64
    assert not PureWindowsPath(f"{name}.toml").is_reserved()
    assert PureWindowsPath(name).name == name == Path(name).name
    assert not name.endswith((".", " "))
    assert name.isascii()


@pytest.mark.parametrize("text", ["CON", "nul", "com1.toml", "LPT9", "aux"])
def test_reserved_names(text: str) -> None:
    assert not PureWindowsPath(file_name(text)).is_reserved()


def test_a_path_on_another_drive(monkeypatch: pytest.MonkeyPatch) -> None:
    """`os.path.relpath` raises there, which stopped the lint of a config whose dataset lies on `D:`."""
    monkeypatch.setattr(os, "path", ntpath)
    assert relative("D:\\data\\a.toml", "C:\\work") == "D:\\data\\a.toml"
    assert relative("C:\\work\\a.toml", "C:\\work") == "a.toml"


def test_captions_in_another_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows opens A.TXT as the caption of a.png; elsewhere these are two names."""
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "A.TXT").write_text("zwx", encoding="utf-8")
    listing = list_folder(tmp_path)
    assert listing is not None
    monkeypatch.setattr(os.path, "normcase", ntpath.normcase)
    assert listing.captioned(".txt") == ("a.png",)


def _guarded(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether a platform check or an `except ImportError` stands around it."""
    while node in parents:
        node = parents[node]
        if isinstance(node, (ast.If, ast.IfExp)) and any(
            word in ast.unparse(node.test) for word in ("platform", "os.name", "hasattr")
        ):
            return True
        if isinstance(node, ast.Try) and any("ImportError" in ast.unparse(h.type) for h in node.handlers if h.type):
            return True
    return False


@pytest.mark.parametrize("path", sorted((ROOT / "lora_doctor").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_that_only_posix_has(path: Path) -> None:
    """Modules and calls Windows lacks, and text files opened in the system's own encoding."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            names = {alias.name for alias in node.names} | {module}
            assert not names & POSIX_ONLY or _guarded(node, parents), f"{path}:{node.lineno} imports {names}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        only = called.startswith("os.") and called.removeprefix("os.") in POSIX_CALLS
        assert not only or _guarded(node, parents), f"{path}:{node.lineno} calls {called}"
        assert not _opens_in_the_systems_encoding(node, called), f"{path}:{node.lineno} opens text without an encoding"


def _opens_in_the_systems_encoding(node: ast.Call, called: str) -> bool:
    given_names = {keyword.arg for keyword in node.keywords}
    if called == "open" or (called.endswith((".open", ".fdopen")) and called.startswith(("os.fdopen", "Path"))):
        modes = [arg for arg in node.args if isinstance(arg, ast.Constant)]
        modes += [k.value for k in node.keywords if k.arg == "mode" and isinstance(k.value, ast.Constant)]
        binary = any(isinstance(mode.value, str) and "b" in mode.value for mode in modes)
        return not binary and "encoding" not in given_names
    if called.endswith(".write_text"):
        return "encoding" not in given_names and len(node.args) < 2
    return called.endswith(".read_text") and "encoding" not in given_names and not node.args
