"""One trainer's config becomes another's, and what could not be said there is told with its consequence.

Nothing is claimed that was not checked: what a writer made is read back through the dialect of that trainer, and the
two plans are compared. Every field that came out otherwise is listed, with the writer's reason where it gave one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lora_doctor.compare import Difference, FactDifference, compare, title
from lora_doctor.describe import plan_rows
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.writers import WRITERS, writer
from lora_doctor.dialects.writers.draft import Draft, Written
from lora_doctor.meaning import canonical
from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Dataset, Plan
from lora_doctor.setting import Setting
from lora_doctor.source.document import SourceError
from lora_doctor.source.read import read_file

# What follows where a field is lost and the writer says nothing more particular
CONSEQUENCES = {
    "model": "another model is trained",
    "network.kind": "another kind of adapter is trained",
    "network.alpha": "the update is scaled otherwise",
    "network.dropout": "the adapter overfits sooner, or later",
    "network.merged": "trained on the bare base, the adapter learns what those did, or means something else",
    "network.stacked": "trained on the bare base, the adapter learns what those did, or means something else",
    "network.dtype": "small updates may be rounded away, or take more memory",
    "optimizer.weight_decay": "weights shrink more, or less, over the run",
    "optimizer.gradient_clip": "single large gradients count more, or less",
    "optimizer.text_encoder_learning_rate": "the text encoder learns at another rate",
    "precision.base": "the base model takes more, or less, memory, and is rounded otherwise",
    "precision.compute": "products are rounded otherwise",
    "precision.text_encoder": "text states are rounded otherwise",
    "precision.vae": "latents are rounded otherwise",
    "precision.save": "files are of another size",
    "precision.gradient_checkpointing": "memory and speed change, not the result",
    "timesteps.sampling": "other noise levels are trained more",
    "timesteps.shift": "other noise levels are trained more",
    "timesteps.weighting": "losses of some noise levels count more, or less",
    "validation.every_steps": "previews come at other steps",
    "validation.every_epochs": "previews come at other steps",
    "validation.held_out": "the held-out loss is not measured",
    "saving.every_steps": "checkpoints lie at other steps",
    "saving.every_epochs": "checkpoints lie at other steps",
    "saving.keep": "more, or fewer, checkpoints stay on disk",
    "saving.resumable": "an interrupted run goes on from other states, or not at all",
    "saving.resume": "the run starts anew: write the checkpoint's new place yourself",
    "cache_latents": "speed and memory change, not the result",
    "cache_text": "speed and memory change, not the result",
    "prompt_tokens": "longer, or shorter, captions are cut off",
    "processes": "how many devices there are is said when the run is started",
    "growth": "every step is at the last resolution, and as dear",
    "seed": "two runs differ",
}
# What another trainer settles by itself, and its config does not say: told as left to it, not as lost
QUIET = frozenset(
    {
        "text_encoder",
        "text_encoder_file",
        "vae",
        "vae_file",
        "model_file",
        "network.dtype",
        "precision.text_encoder",
        "precision.vae",
        "precision.save",
        "cache_latents",
        "cache_text",
        "prompt_tokens",
        "timesteps.weighting",
        "validation.size",
        "validation.guidance",
        "validation.sampler_steps",
        "datasets.caption_extension",
        "datasets.buckets",
        "datasets.batch_size",
    }
)
# Written as something that leads to the value: a file of prompts, a share of a run of unknown length
ELSEWHERE = frozenset({"validation.prompts", "optimizer.warmup_steps"})
FOLDER = "images"  # where the source does not say a folder of this machine


class Lost(NamedTuple):
    """A field that comes out otherwise: what was meant, what the target does, and what follows."""

    field: str
    title: str
    wanted: Setting[Any]
    got: Setting[Any]
    consequence: str


class Translation(NamedTuple):
    """The files, the plan they make, and what changed on the way.

    `left` are fields whose value the target settles by itself and does not tell; `chosen` fields that the source leaves
    open, with what the target does; `facts` derived ones that come out otherwise.
    """

    trainer: str
    files: tuple[Written, ...]
    plan: Plan
    lost: tuple[Lost, ...]
    left: tuple[Difference, ...]
    chosen: tuple[Difference, ...]
    facts: tuple[FactDifference, ...]

    @property
    def told(self) -> frozenset[str]:
        """Every plan field that is said to come out otherwise."""
        fields = [each.field for each in self.lost]
        return frozenset([*fields, *(each.field for each in self.left), *(each.field for each in self.chosen)])


def targets() -> list[str]:
    """Trainers that can be translated to."""
    return list(WRITERS)


def target(name: str) -> str:
    """A trainer by any spelling of its name.

    Raises:
        SourceError: nothing is written for it.
    """
    plain = _plain(name)
    found = next((known for known in WRITERS if _plain(known) == plain or _plain(known).startswith(plain)), None)
    if found is None or not plain:
        raise SourceError(f"`{name}` is no trainer that configs are written for; these are: {', '.join(WRITERS)}")
    return found


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")


def translate(
    plan: Plan,
    trainer: str,
    folder: Path,
    name: str,
    *,
    reasons: Mapping[str, str] | None = None,
    head: str = "",
    beside: Path | None = None,
    powershell: bool = os.name == "nt",
) -> Translation:
    """Write a plan as `trainer`'s files for `folder`.

    `reasons` are comments by plan field; without them each value says which key it came from. `beside` is the folder of
    the source config: relative image folders are looked for there too. Commands are for PowerShell, or a POSIX shell.

    Raises:
        SourceError: this trainer does not train the model, or what was written does not read back.
    """
    _refuse(plan, trainer)
    given = reasons if reasons is not None else provenance(plan)
    whole, gaps = _filled(plan)
    draft = Draft(canonical(whole), folder, name, given, head, powershell)
    writer(trainer).write(draft)
    back = _read_back(draft, trainer, beside)
    notes = draft.notes | gaps
    found = compare(plan, back)
    wanted = [each for each in found.settings if each.first.value is not None or each.field in gaps]
    wanted = [each for each in wanted if not _follows(each, found.settings)]
    left = tuple(each for each in wanted if _quiet(each, notes))
    lost = tuple(_lost(each, notes) for each in wanted if each not in left)
    chosen = tuple(each for each in found.settings if each.first.value is None and each.field not in gaps)
    return Translation(trainer, draft.files(), back, (*lost, *_unread(plan, notes)), left, chosen, found.facts)


def _follows(difference: Difference, all_of_them: tuple[Difference, ...]) -> bool:
    """Whether something larger is lost, of which this is a part: a whole dataset, or the previews."""
    field, gone = difference.field, difference.second.value is None
    if gone and field.startswith("validation.") and field not in ("validation.prompts", "validation.held_out"):
        return any(each.field == "validation.prompts" and each.second.value is None for each in all_of_them)
    if gone and field.startswith("datasets.") and not field.endswith(".folder"):
        home = f"{field.rpartition('.')[0]}.folder"
        return any(each.field == home and each.second.value is None for each in all_of_them)
    return False


def _quiet(difference: Difference, notes: Mapping[str, str]) -> bool:
    field = difference.field
    plain = f"datasets.{field.rpartition('.')[2]}" if field.startswith("datasets.") else field
    return difference.second.value is None and plain in QUIET and field not in notes


def _filled(plan: Plan) -> tuple[Plan, dict[str, str]]:
    """A plan with a folder for every dataset: what the source does not say is named, and told."""
    gaps: dict[str, str] = {}
    datasets = plan.datasets or (Dataset(plan.config, ""),)
    if not plan.datasets:
        gaps["datasets"] = (
            f"are not known here (the config that names them is missing): write their folder for `{FOLDER}`"
        )
    filled = []
    for index, data in enumerate(datasets):
        if data.folder.value is None:
            if plan.datasets:
                gaps[f"datasets.{index}.folder"] = f"is no folder of this machine: write yours for `{FOLDER}`"
            data = data._replace(folder=Setting(FOLDER, "default", data.folder.key))
        filled.append(data)
    return plan._replace(datasets=tuple(filled)), gaps


def _unread(plan: Plan, notes: Mapping[str, str]) -> tuple[Lost, ...]:
    """Settings that are written, but whose value can't be known here: a file that is missing, a variable."""
    found = []
    for field, setting in plan_rows(plan):
        key = setting.key.removeprefix(plan.config.prefix)
        if setting.value is None and setting.key and plan.config.has(key) and field not in notes:
            raw = plan.config.get(key)
            if raw.value is None or (field in ELSEWHERE and raw.value):
                found.append(Lost(field, title(field), raw, Setting(), f"can't be read here (`{setting.key}`)"))
    return tuple(found)


def _refuse(plan: Plan, trainer: str) -> None:
    family = plan.model.family
    if not plan.training:
        raise SourceError(f"is a {plan.kind} file of {plan.trainer}: there is no run in it to translate")
    if family is None:
        raise SourceError("does not say which base model it trains; nothing can be translated without that")
    if plan.network.kind.value in ("full", "textual-inversion", "adapter"):
        raise SourceError(f"trains no LoRA ({plan.network.kind.value}); only LoRA runs are translated")
    if family not in writer(trainer).FAMILIES:
        able = [name for name in WRITERS if family in writer(name).FAMILIES]
        known = FAMILIES.get(family)
        those = f"these do: {', '.join(able)}" if able else "no trainer lora-doctor writes for does"
        raise SourceError(f"{trainer} trains no LoRA of {known.title if known else family}; {those}")


def _read_back(draft: Draft, trainer: str, beside: Path | None) -> Plan:
    """The plan of what is written, from files of the same content in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="lora-doctor-") as place:
        folder = Path(place)
        twin = Draft(draft.plan, folder, draft.name, draft.reasons, draft.head, draft.powershell)
        writer(trainer).write(twin)
        files = twin.files()
        for file in files:
            (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / file.name).write_bytes(file.text.encode("utf-8"))  # of a link its name is enough
        document = read_file(folder / files[0].name)
        found = recognise(document, trainer)
        homes = () if beside is None else (beside, beside.parent, beside.parent.parent)
        plans = found[0].read(document, found[1], Reader(homes=homes)) if found else ()
        runs = [each for each in plans if each.training]
    if len(runs) != 1:
        raise SourceError(f"what was written for {trainer} does not read back as one run; please report it")
    return runs[0]


def _lost(difference: Difference, notes: Mapping[str, str]) -> Lost:
    field = difference.field
    reason = notes.get(field) or CONSEQUENCES.get(field) or CONSEQUENCES.get(field.rpartition(".")[2])
    if reason is None:
        reason = "does not exist there" if difference.second.value is None else "comes out otherwise there"
    return Lost(field, difference.title, difference.first, difference.second, reason)


def provenance(plan: Plan) -> dict[str, str]:
    """For each plan field, where its value comes from: the comment beside it in the new config."""
    found = {}
    rows = dict(plan_rows(canonical(plan)))
    parts = {
        "model_file": plan.model.setting,
        "vae_file": plan.vae.setting,
        "text_encoder_file": plan.text_encoder.setting,
    }
    rows |= {field: setting for field, setting in parts.items() if setting.written}
    for field, setting in rows.items():
        if setting.written and setting.key:
            found[field] = setting.key
        elif setting.value is not None and setting.key:
            found[field] = f"{plan.trainer}'s default"
    return found
