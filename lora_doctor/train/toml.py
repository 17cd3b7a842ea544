"""A job as lora-doctor's own config: what the run folder keeps, and what `--dry-run` shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lora_doctor.dialects.native_fields import native_table
from lora_doctor.train.job import DEFAULT, TABLES, Data, Job

PARTS = ("transformer", "text_encoder", "vae")


def as_toml(job: Job, *, defaults: bool = True) -> str:
    """The job as lora-doctor's own config, each value with its reason behind it; or only what somebody chose."""
    lines: list[str | None] = [
        f"# resolved by lora-doctor; `lora-doctor train {job.output / 'config.toml'} --resume` goes on"
    ]
    lines += [_line("recipe", job.recipe, job), _line("purpose", job.purpose, job)]
    lines += [_line("output", str(job.output), job), "", "[model]", _line("path", str(job.model.path), job, "model")]
    lines += [_line(name, _text(getattr(job.model, name)), job, "model") for name in PARTS]
    for data in job.data:
        lines += ["", "[[data]]", *_data_lines(data)]
    for name in ("training", *TABLES):
        table = getattr(job, name)
        rows = {field: value for field, value in zip(table._fields, table) if f"{name}.{field}" in _known()}
        if not defaults:
            rows = {field: v for field, v in rows.items() if job.reasons.get(f"{name}.{field}", DEFAULT) != DEFAULT}
        lines += ["", f"[{name}]", *(_line(field, _plainly(value), job, name) for field, value in rows.items())]
    return "\n".join(line for line in lines if line is not None) + "\n"


def _known() -> Mapping[str, Any]:
    return native_table().keys


def _data_lines(data: Data) -> Iterator[str | None]:
    record = data._replace(names=())._asdict()
    for name, value in record.items():
        if name == "names" or value is None or value == ():
            continue
        yield f"{name} = {toml_value(_plainly(value))}"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _plainly(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plainly(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def _line(name: str, value: Any, job: Job, table: str = "") -> Any:
    if value is None:
        return None
    reason = job.reasons.get(f"{table}.{name}" if table else name, "")
    return f"{name} = {toml_value(value)}" + (f"  # {' '.join(reason.split())}" if reason else "")


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(toml_value(each) for each in value) + "]"
    return repr(value)
