"""The ```` ```adapter ```` fences of rules: a LoRA file made to order, and what the rules say about it."""

from __future__ import annotations

import tomllib
from pathlib import Path

from lora_doctor.adapter.facts import Adapter, examine
from lora_doctor.adapter.judge import judge
from lora_doctor.adapter.sample import Sample, write_base, write_sample
from lora_doctor.models.identify import identify
from lora_doctor.result import Found

_OWN = ("base", "again", "weights", "base_weights", "trainer")


def lay_out(text: str, folder: Path, name: str = "config.safetensors") -> list[Path]:
    """Write the file a fence describes; `again` lists later checkpoints by what differs in them."""
    values = tomllib.loads(text)
    plain = {key: value for key, value in values.items() if key not in _OWN}
    stem = Path(name).stem
    samples = [plain, *({**plain, **change} for change in values.get("again", ()))]
    paths = [folder / (name if i == 0 else f"{stem}-{i:06d}.safetensors") for i in range(len(samples))]
    return [write_sample(path, Sample(**sample)) for path, sample in zip(paths, samples)]


def reads_weights(text: str) -> bool:
    """Whether a fence needs numpy."""
    return bool(tomllib.loads(text).get("weights"))


def judge_example(text: str, paths: list[Path]) -> list[Found]:
    """What all rules find. `base` names the model it is used with, `trainer` one that shall train on from it;
    `base_weights` puts weights like those of the samples beside it, for the layers it changes."""
    from lora_doctor.adapter.series import series_of

    values = tomllib.loads(text)
    base = identify(values["base"]) if "base" in values else None
    trainer = values.get("trainer", "")
    adapters = [examine(path, base=base, trainer=trainer, key="weights" if trainer else "") for path in paths]
    if values.get("weights"):
        adapters = [_measured(adapter) for adapter in adapters]
    if values.get("base_weights"):
        adapters = [_compared(adapter) for adapter in adapters]
    series = series_of(adapters)
    found, problems = judge([*adapters, *([series] if series else [])])
    assert not problems, problems
    return list(found)


def _measured(adapter: Adapter) -> Adapter:
    from lora_doctor.adapter.health import measure

    return adapter._replace(health=measure(adapter))


def _compared(adapter: Adapter) -> Adapter:
    from lora_doctor.adapter.strength import with_ratios

    base = write_base(adapter.file.path.with_name("base-weights.safetensors"), adapter.layers)
    return adapter._replace(health=with_ratios(adapter, base) or adapter.health)
