"""`[stage.NAME]` tables of lora-doctor's own config: runs that build on each other, each overriding what it names."""

from __future__ import annotations

from collections.abc import Iterator

from lora_doctor.plan import Stage
from lora_doctor.setting import Config, Setting

OWN = ("build", "on")  # keys of a stage that are no keys of a run


def stages_of(config: Config) -> Iterator[tuple[Config, Stage | None]]:
    """Every stage's settings, under the keys of a config with one run; the config itself where it has no stages."""
    names = list(dict.fromkeys(_names(config)))
    before: tuple[Stage, ...] = ()
    for key in names:
        settings = _settings_of(config, key, names)
        stage = _stage(settings, key.rpartition(".")[2], before)
        settings.settings["output"] = stage.folder
        yield settings, stage
        before = (*before, stage)
    if not names:
        yield config, None


def _names(config: Config) -> Iterator[str]:
    """`stage.NAME` for every table there is, whether or not it has a line of its own."""
    for key, setting in config.settings.items():
        first, *below = key.split(".")
        if first == "stage" and (len(below) > 1 or (below and isinstance(setting.value, dict))):
            yield f"stage.{below[0]}"


def _settings_of(config: Config, key: str, names: list[str]) -> Config:
    """The config with one stage's tables in place of its own; a stage's `[[data]]` replace all others."""
    inside = {each: f"{each}." for each in names}
    shared = {
        name: setting
        for name, setting in config.settings.items()
        if name not in ("stage", *names) and not name.startswith(tuple(inside.values()))
    }
    home = config.settings.get(key) or next(s for name, s in config.settings.items() if name.startswith(inside[key]))
    own = {name.removeprefix(inside[key]): s for name, s in config.settings.items() if name.startswith(inside[key])}
    if any(name.partition(".")[0] == "data" for name in own):
        shared = {name: s for name, s in shared.items() if name != "data" and not name.startswith("data.")}
    made = Config(config.document, config.table)
    made.insert, made.anchor = config.insert, config.anchor
    placed = {f"stage.0.{name}" if name in OWN else name: setting for name, setting in own.items()}
    made.settings = shared | {"stage.0": home} | placed  # what a stage does not say of itself is found at its table
    return made


def _stage(config: Config, name: str, before: tuple[Stage, ...]) -> Stage:
    output = config.get("output")
    if isinstance(output.value, str) and not output.key.startswith("stage."):
        output = output._replace(value=f"{output.value.rstrip('/')}/{name}", rewrite=None)
    build = config.get("stage.0.build", "continue" if before else "fresh")._replace(key=f"stage.{name}.build")
    return Stage(name, build, config.get("stage.0.on")._replace(key=f"stage.{name}.on"), output, before)


def stage_named(stages: tuple[Stage, ...], setting: Setting[str]) -> Stage | None:
    """The stage among these that a setting names, the last where it names none; None for the path of a file."""
    if not setting.written:
        return stages[-1] if stages else None
    return next((stage for stage in stages if stage.name == setting.value), None)
