"""Every optimiser goes on from a checkpoint as if it had never stopped; what can't be written leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from lora_doctor.dialects.native_fields import OPTIMIZERS
from lora_doctor.source.document import SourceError
from lora_doctor.train import checkpoints, optimizers
from lora_doctor.train.checkpoints import Resumable
from lora_doctor.train.ema import Average, averaged
from lora_doctor.train.folder import RunFolder
from lora_doctor.train.job import Job, Model, Optimizer, Training

pytestmark = pytest.mark.filterwarnings("ignore:.*kernels-community.*")
Weights = dict[str, torch.Tensor]


def job(name: str, **options: Any) -> Job:
    rate = 1.0 if name == "prodigy" else 1e-2
    return Job(
        Path(), Model(Path(), "sana"), (), Training(10), optimizer=Optimizer(name, rate, options=options, ema=True)
    )


def weights(dtype: torch.dtype = torch.float32) -> Weights:
    torch.manual_seed(0)
    return {f"layer.{i}": torch.nn.Parameter(torch.randn(8, 512, dtype=dtype)) for i in range(2)}


def begun(wanted: Job, own: Weights) -> Resumable:
    if optimizers.lacking(wanted.optimizer.name):
        pytest.skip(f"needs {optimizers.lacking(wanted.optimizer.name)}")
    groups = [{"params": list(own.values()), "lr": wanted.optimizer.learning_rate}]
    return Resumable(own, optimizers.build(wanted, groups), Average(own, 0.9))


def train(state: Resumable, steps: Iterator[int]) -> None:
    for step in steps:
        torch.manual_seed(step)
        aim = torch.randn(8, 512)
        loss = sum(((weight.float() - aim) ** 2).mean() for weight in state.weights.values())
        assert isinstance(loss, torch.Tensor)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        assert state.average is not None
        state.average.update(state.weights, step)


def nothing(folder: Path) -> None:
    """No LoRA file is needed here."""


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_going_on_is_bit_equal(tmp_path: Path, name: str, dtype: torch.dtype) -> None:
    whole = begun(job(name), weights(dtype))
    start = {key: weight.detach().clone() for key, weight in whole.weights.items()}
    train(whole, iter(range(1, 11)))
    assert any(not torch.equal(start[key], weight) for key, weight in whole.weights.items()), "nothing was learned"

    first = begun(job(name), weights(dtype))
    train(first, iter(range(1, 5)))
    folder = RunFolder(tmp_path)
    path = checkpoints.save(folder, 4, first, nothing)
    second = begun(job(name), {key: torch.nn.Parameter(torch.zeros_like(w)) for key, w in whole.weights.items()})
    assert checkpoints.restore(path, second) == 4
    train(second, iter(range(5, 11)))
    assert whole.average is not None
    assert second.average is not None
    for key, weight in whole.weights.items():
        assert torch.equal(weight, second.weights[key])
        assert torch.equal(whole.average.weights[key], second.average.weights[key])


@pytest.mark.parametrize("name", ["adamw", "adamw-schedulefree"])
def test_looking_at_the_average_changes_nothing(name: str) -> None:
    own = weights()
    state = begun(job(name), own)
    train(state, iter(range(1, 6)))
    before = {key: weight.detach().clone() for key, weight in own.items()}
    average = state.average if name == "adamw" else None
    with averaged(own, average, state.optimizer):
        assert not torch.equal(before["layer.0"], own["layer.0"])
    assert all(torch.equal(before[key], weight) for key, weight in own.items())


def test_unknown_options_are_a_sentence() -> None:
    with pytest.raises(SourceError, match=r"optimizer adamw: .*mementum"):
        begun(job("adamw", mementum=0.9), weights())


def test_an_update_is_held_below_the_largest_norm() -> None:
    down, up = torch.randn(4, 16), torch.randn(32, 4)
    small = torch.randn(4, 16) * 1e-3, torch.randn(32, 4), 1.0
    kept = small[0].clone()
    optimizers.limit_norm([(down, up, 2.0), small], 3.0)
    assert float((2.0 * up @ down).norm()) == pytest.approx(3.0, rel=1e-5)
    assert torch.equal(small[0], kept)


def test_another_rank_is_refused(tmp_path: Path) -> None:
    path = checkpoints.save(RunFolder(tmp_path), 1, begun(job("adamw"), weights()), nothing)
    other = begun(job("adamw"), {"layer.0": torch.nn.Parameter(torch.zeros(4, 512))})
    with pytest.raises(SourceError, match=r"other layers or another rank .*config\.toml"):
        checkpoints.restore(path, other)


def test_another_optimiser_is_refused(tmp_path: Path) -> None:
    state = begun(job("adamw"), weights())
    train(state, iter([1]))
    path = checkpoints.save(RunFolder(tmp_path), 1, state, nothing)
    with pytest.raises(SourceError, match="holds the state of torch AdamW, and this run has transformers Adafactor"):
        checkpoints.restore(path, begun(job("adafactor"), weights()))


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
def test_a_damaged_state_is_a_sentence(tmp_path: Path, file: str) -> None:
    path = checkpoints.save(RunFolder(tmp_path), 1, begun(job("adamw"), weights()), nothing)
    found = (path / "state" / file).read_bytes()
    (path / "state" / file).write_bytes(found[: len(found) // 2])
    with pytest.raises(SourceError, match="damaged or missing"):
        checkpoints.restore(path, begun(job("adamw"), weights()))


def test_half_written_folders_are_no_checkpoints(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    checkpoints.save(folder, 3, begun(job("adamw"), weights()), nothing)
    (folder.checkpoints / ".step-000006.partial" / "state").mkdir(parents=True)
    assert folder.steps() == [3]
    assert checkpoints.newest(folder) == folder.checkpoint(3)
    checkpoints.tidy(folder)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["step-000003"]


def test_only_the_users_word_deletes(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    state = begun(job("adamw"), weights())
    for step in (1, 2, 3):
        checkpoints.save(folder, step, state, nothing)
    assert checkpoints.prune(folder, 0) == []
    assert checkpoints.prune(folder, 2) == [1]
    assert folder.steps() == [2, 3]


FULL = """
import json, resource, sys
from pathlib import Path
from tests.train.test_checkpoints import begun, job, nothing, weights
from lora_doctor.source.document import SourceError
from lora_doctor.train import checkpoints
from lora_doctor.train.folder import RunFolder
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, state = RunFolder(Path(sys.argv[1])), begun(job("adamw"), weights())
checkpoints.save(folder, 1, state, nothing)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try: checkpoints.save(folder, 2, state, nothing)
except SourceError as error: print(json.dumps(error.sentence))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="RLIMIT_FSIZE")
def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=root, capture_output=True, text=True, check=True, timeout=120
    )
    sentence = json.loads(ran.stdout)
    assert "the checkpoint of step 2 can't be written" in sentence
    assert "the last good one is step-000001" in sentence
    assert "--resume" in sentence
    assert [path.name for path in RunFolder(tmp_path).checkpoints.iterdir()] == ["step-000001"]
