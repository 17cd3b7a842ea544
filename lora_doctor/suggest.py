"""Keys a trainer does not read, and what their writer may have meant."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from lora_doctor.plan import Plan
from lora_doctor.setting import Config, KeyTable, Setting

# words that several trainers use for different things: they say nothing about where a key came from
COMMON = frozenset(
    {"type", "name", "path", "id", "config", "dtype", "resolution", "shift", "seed", "prompt", "lr", "train"}
)
# what a trainer has under no name, read in its code at the version of its key table
ABSENT = {
    "musubi-tuner": {"dataset.masks", "dataset.caption_dropout", "validation.held_out", "train_text_encoder"},
    "diffusers": {"dataset.masks", "dataset.shuffle_tags", "timesteps.noise_offset"},
    "diffusion-pipe": {"timesteps.noise_offset", "network.conv_rank", "validation.prompts", "optimizer.ema"},
    "sd-scripts": {"optimizer.ema"},
}
# words for one thing, half remembered or from a table that `CONCEPTS` has no room for
SAME = (
    frozenset({"lora_dim", "lora_r", "network_rank", "network_dim", "lora_rank", "rank"}),
    frozenset({"image_directory", "image_dir", "instance_data_dir", "folder_path", "train_data_dir", "folder"}),
)
CLOSE = 0.85  # difflib ratio: one or two letters in ten


class Suggestion(NamedTuple):
    """A better key: `kind` is `typo`, `misplaced` (right key, wrong table), `foreign` (another trainer's word) or
    `feature` (another trainer's word for something this one has not; `key` then names the trainers)."""

    kind: str
    key: str


def unknown_keys(plan: Plan) -> Iterator[tuple[Config, str, Setting[Any], Suggestion | None]]:
    """Every written key that is not in the trainer's table, topmost first; what stands below one is not repeated."""
    for config in plan.configs:
        for key, better in _unknown(config, plan.trainer):
            yield config, key, config.settings[key], better


def misnamed(plan: Plan, setting: Setting[Any]) -> bool:
    """Whether the file sets this under a name the trainer does not read: then that name is what has to be mended."""
    meant = [config.prefix + better.key for config, _, _, better in unknown_keys(plan) if better is not None]
    return setting.key in meant


@lru_cache(maxsize=16)
def _unknown(config: Config, trainer: str) -> tuple[tuple[str, Suggestion | None], ...]:
    """The unknown keys of one config: several rules ask, one after the other."""
    reported: dict[str, Suggestion | None] = {}
    single = [f"{key}." for key, setting in config.written() if one_table(config.table, key, setting)]
    for key, _ in config.written():
        if config.table.find(key) or config.table.inside(key) or any(key.startswith(f"{k}.") for k in reported):
            continue
        if key.startswith(tuple(single)):
            continue  # what is said of the table is said of its keys
        if key.rpartition(".")[2].startswith(("_", "$")) or not config.table.keys:
            continue  # a note to themselves: no trainer reads it, no reader misses it
        reported[key] = suggest_key(key, config.table, trainer)
    return tuple(reported.items())


def one_table(table: KeyTable, key: str, setting: Setting[Any]) -> bool:
    """Whether a list of tables is written as one table: `[data]` for `[[data]]`."""
    return isinstance(setting.value, dict) and not table.find(f"{key}.name") and table.inside(f"{key}.0")


def modified(plan: Plan, config: Config, table: str = "") -> bool:
    """Whether a command is one of a changed copy of the script: it takes several options the script never had.

    Such a copy need not ask for what the script asks for, nor stop where it stops. Of a file, one `table` may be a
    fork's: one with three keys this trainer never had.
    """
    strange = [key for other, key, _, better in unknown_keys(plan) if other is config and better is None]
    if config.prefix == "--":
        return len(strange) > 1
    return bool(table) and sum(key.rpartition(".")[0] == table for key in strange) > 2


def suggest_key(key: str, table: KeyTable, trainer: str) -> Suggestion | None:
    """The key that was probably meant, or None."""
    renamed = table.renamed.get(table.pattern(key))
    if renamed in table.keys:
        return Suggestion("foreign", str(renamed))
    better = _same(key, table) or _typo(key, table) or _foreign(key, table, trainer)
    return better or _misplaced(key, table) or _feature(key, trainer)


def _typo(key: str, table: KeyTable) -> Suggestion | None:
    from difflib import get_close_matches

    home, _, last = key.rpartition(".")
    siblings = {name.rpartition(".")[2] for name in table.keys if name.rpartition(".")[0] == table.pattern(home)}
    close = get_close_matches(last, siblings, n=1, cutoff=CLOSE)
    if not close or abs(len(close[0]) - len(last)) > 2:
        close = [name for name in siblings if name.startswith(last) and len(last) >= 5 and len(name) <= len(last) + 3]
    if len(close) != 1:
        return None
    return Suggestion("typo", f"{home}.{close[0]}" if home else close[0])


def _foreign(key: str, table: KeyTable, trainer: str) -> Suggestion | None:
    own = _own(trainer)
    home, _, last = key.rpartition(".")
    for concept, _trainer in _concepts(key):
        better = own.get(concept)
        if better and better.rpartition(".")[2] != last and better in table.keys:
            if better.rpartition(".")[0] == table.pattern(home):  # the same entry of a list
                better = f"{home}.{better.rpartition('.')[2]}" if home else better
            return Suggestion("foreign", better)
    return None


def _same(key: str, table: KeyTable) -> Suggestion | None:
    """The one key beside it that means the same."""
    home, _, last = key.rpartition(".")
    words: frozenset[str] = frozenset().union(*(group for group in SAME if last in group))
    beside = {name.rpartition(".")[2] for name in table.keys if name.rpartition(".")[0] == table.pattern(home)} & words
    if len(beside) != 1:
        return None
    return Suggestion("foreign", f"{home}.{min(beside)}" if home else min(beside))


def _feature(key: str, trainer: str) -> Suggestion | None:
    absent = ABSENT.get(trainer, set())
    found = _concepts(key)
    if not found or any(concept not in absent for concept, _ in found):
        return None
    trainers = list(dict.fromkeys(name for _, name in found))
    return Suggestion("feature", " or ".join(trainers[:3]))


def _own(trainer: str) -> dict[str, str]:
    from lora_doctor.dialects import all_dialects

    return {concept: name for d in all_dialects() if trainer == d.TRAINER for concept, name in d.CONCEPTS.items()}


def _concepts(key: str) -> list[tuple[str, str]]:
    """What other trainers mean by a key's last word, and who."""
    from lora_doctor.dialects import all_dialects

    last = key.rpartition(".")[2]
    if last in COMMON:
        return []
    return [
        (concept, dialect.TRAINER)
        for dialect in all_dialects()
        for concept, name in dialect.CONCEPTS.items()
        if name.rpartition(".")[2] == last
    ]


def _misplaced(key: str, table: KeyTable) -> Suggestion | None:
    last = key.rpartition(".")[2]
    homes = [known for known in table.keys if known.rpartition(".")[2] == last]
    if len(homes) > 1:  # of several, the one further up the same branch
        branch = table.pattern(key)
        homes = [home for home in homes if "." in home and branch.startswith(f"{home.rpartition('.')[0]}.")]
    return Suggestion("misplaced", homes[0]) if len(homes) == 1 and last not in COMMON else None
