"""Logs of every kind; event files against those that TensorBoard itself writes."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lora_doctor.runs.events import read_events
from lora_doctor.runs.facts import Files
from lora_doctor.runs.logs import read_jsonl, read_logs, read_sqlite
from lora_doctor.runs.roles import HELD_OUT, LEARNING_RATE, LOSS, curve_of

from .folders import write_events

TAGS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20)
ROWS = st.lists(st.tuples(TAGS, st.integers(0, 2**40), st.floats(width=32)), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_what_tensorboard_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, float]]
) -> None:
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer", reason="TensorBoard writes the files")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    folder = tmp_path_factory.mktemp("events")
    with closing(writer.EventFileWriter(str(folder))) as events:
        for i, (tag, step, value) in enumerate(rows):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            events.add_event(Event(wall_time=float(i), step=step, summary=summary))
    curves = {curve.name: curve for path in folder.iterdir() for curve in read_events(path)}
    for tag in {tag for tag, _, _ in rows}:
        mine = [(step, value) for name, step, value in rows if name == tag]
        assert curves[tag].steps == tuple(step for step, _ in mine)
        assert [repr(v) for v in curves[tag].values] == [repr(value) for _, value in mine]


def test_tensors_pictures_and_texts(tmp_path: Path) -> None:
    """TensorBoard 2 keeps scalars as tensors of no or one dimension; what is no scalar is passed over."""
    writer = pytest.importorskip("tensorboard.summary.writer.event_file_writer", reason="TensorBoard writes the files")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.util.tensor_util import make_tensor_proto

    values = [
        Summary.Value(tag="tensor", tensor=make_tensor_proto(0.25, dtype="float32")),
        Summary.Value(tag="double", tensor=make_tensor_proto(0.125, dtype="float64")),
        Summary.Value(tag="many", tensor=make_tensor_proto([1.0, 2.0], dtype="float32")),
        Summary.Value(tag="text", tensor=make_tensor_proto("words")),
        Summary.Value(tag="picture", image=Summary.Image(height=1, width=1, encoded_image_string=b"png" * 1000)),
    ]
    with closing(writer.EventFileWriter(str(tmp_path))) as events:
        events.add_event(Event(wall_time=1.0, step=7, summary=Summary(value=values)))
    found = {curve.name: curve.values for path in tmp_path.iterdir() for curve in read_events(path)}
    assert found == {"tensor": (0.25,), "double": (0.125,)}


@given(st.integers(0, 400), st.binary(max_size=20))
def test_a_file_cut_anywhere_gives_what_is_whole(
    tmp_path_factory: pytest.TempPathFactory, cut: int, more: bytes
) -> None:
    rows = [("loss", i, i / 7) for i in range(9)]
    path = write_events(tmp_path_factory.mktemp("cut") / "events.out.tfevents.1", rows)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] + more)
    for curve in read_events(path):
        assert curve.steps == tuple(range(len(curve.steps)))
        assert len(curve.steps) <= 9


@given(st.binary(max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "events.out.tfevents.1"
    path.write_bytes(data)
    read_events(path)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "training_metrics.jsonl"
    rows = [
        {"schema_version": 1, "timestamp": "now", "step": step, "metrics": {"train_loss": 0.1 * step, "lr": 1e-4}}
        for step in (1, 2)
    ]
    monitor = {"step": 2, "monitor": "stable_loss", "held_out": 0.5, "by": {"low": 1}}
    path.write_text("\n".join(json.dumps(row) for row in [*rows, monitor, {"event": "resumed"}]) + '\n{"step": 3, "me')
    found = {curve.name: (curve.steps, curve.values) for curve in read_jsonl(path)}
    assert found == {
        "train_loss": ((1, 2), (0.1, 0.2)),
        "lr": ((1, 2), (1e-4, 1e-4)),
        "stable_loss/held_out": ((2,), (0.5,)),
        "stable_loss/by/low": ((2,), (1.0,)),
    }


def test_ai_toolkits_file(tmp_path: Path) -> None:
    path = tmp_path / "loss_log.db"
    with closing(sqlite3.connect(path)) as base, base:
        base.executescript(
            "CREATE TABLE steps (step INTEGER PRIMARY KEY, wall_time REAL NOT NULL);"
            "CREATE TABLE metrics (step INTEGER NOT NULL, key TEXT NOT NULL, value_real REAL, value_text TEXT,"
            " PRIMARY KEY (step, key));"
        )
        for step, loss in enumerate((0.5, math.nan, 0.4)):
            base.execute("INSERT INTO steps VALUES (?, ?)", (step, 100.0 + step))
            base.execute("INSERT INTO metrics VALUES (?, 'loss/loss', ?, NULL)", (step, loss))
            base.execute("INSERT INTO metrics VALUES (?, 'note', NULL, 'words')", (step,))
    (curve,) = read_sqlite(path)
    assert (curve.name, curve.steps, curve.times) == ("loss/loss", (0, 1, 2), (100.0, 101.0, 102.0))
    assert curve.values[0::2] == (0.5, 0.4)
    assert math.isnan(curve.values[1])


def test_logs_of_several_starts_are_one_curve(tmp_path: Path) -> None:
    write_events(tmp_path / "b/events.out.tfevents.2", [("loss", 5, 0.2), ("loss", 6, 0.1)], time=2e9)
    write_events(tmp_path / "a/events.out.tfevents.1", [("loss", 5, 0.3)], time=1e9)
    (tmp_path / "loss_log.db").write_bytes(b"no database at all, but more than a hundred bytes of it" * 3)
    names = ("b/events.out.tfevents.2", "a/events.out.tfevents.1", "loss_log.db")
    curves, aside = read_logs(Files(tmp_path, names), names)
    assert curves[0].values == pytest.approx((0.3, 0.2, 0.1))
    assert [each.name for each in aside] == ["loss_log.db"]


@pytest.mark.parametrize(
    ("tags", "role", "name"),
    [
        (("loss/loss", "learning_rate"), LOSS, "loss/loss"),
        (("loss/average", "loss/current", "lr/unet"), LOSS, "loss/current"),
        (("train/loss", "dogs/loss"), HELD_OUT, "dogs/loss"),
        (("loss/loss", "train/loss", "loss/validation/step_divergence"), HELD_OUT, None),
        (("loss/train_step", "loss/validation_step/total_average"), HELD_OUT, "loss/validation_step/total_average"),
        (("loss", "lr"), LEARNING_RATE, "lr"),
    ],
)
def test_roles(tmp_path: Path, tags: tuple[str, ...], role: tuple[str, ...], name: str | None) -> None:
    path = write_events(tmp_path / "events.out.tfevents.1", [(tag, 1, 0.5) for tag in tags])
    found = curve_of(read_events(path), role)
    assert (found.name if found else None) == name
