"""What each trainer has, as a table: from the dialects where they know it, else read in the trainer's own code.

The first rows come from a trainer's dialect, key table and writer by themselves; what no config says (several cards,
Windows, names in the saved file) stands in `READ`, each cell with its source at the commit the key table names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lora_doctor.dialects import ORDER, Dialect, all_dialects
from lora_doctor.dialects.native_fields import native_table
from lora_doctor.dialects.writers import WRITERS, writer
from lora_doctor.models.families import FAMILIES
from lora_doctor.setting import KeyTable, key_table

# Key table of each trainer's runs, and the day of the commit it was extracted from
TABLES = {
    "ai-toolkit": ("ai_toolkit", "process", "2026-08-21"),
    "diffusion-pipe": ("diffusion_pipe", "main", "2026-08-20"),
    "SimpleTuner": ("simpletuner", "config", "2026-08-22"),
    "sd-scripts": ("sd_scripts", "sdxl_train_network.py", "2026-02-16"),
    "musubi-tuner": ("musubi", "flux_2_train_network.py", "2026-06-24"),
    "OneTrainer": ("onetrainer", "config", "2026-08-19"),
    "diffusers": ("diffusers", "train_dreambooth_lora_flux2_klein.py", "2026-08-23"),
}


class Cell(NamedTuple):
    """What a trainer does, and where that was read; a cell from a dialect has the dialect's source."""

    text: str
    source: str = ""


class Column(NamedTuple):
    """One trainer: its version, the commit and the day its facts hold for, and its cells by feature."""

    trainer: str
    version: str
    source: str
    date: str
    cells: dict[str, Cell]


READ: dict[str, dict[str, Cell]] = {
    "several GPUs": {
        "diffusion-pipe": Cell("data and pipeline parallel", "README.md, train.py (DeepSpeed)"),
        "ai-toolkit": Cell("one: each process would walk the same images", "jobs/process/BaseSDTrainProcess.py:777"),
        "SimpleTuner": Cell("data parallel, FSDP2, DeepSpeed", "documentation/FSDP2.md, DEEPSPEED.md"),
        "sd-scripts": Cell("data parallel", "train_network.py (accelerate)"),
        "musubi-tuner": Cell("data parallel", "README.md (accelerate)"),
        "OneTrainer": Cell("data parallel", "modules/util/config/TrainConfig.py `multi_gpu`"),
        "diffusers": Cell("data parallel; FSDP for FLUX.2", "examples/dreambooth/train_dreambooth_lora_flux2_klein.py"),
        "lora-doctor": Cell("data and pipeline parallel, FSDP2", "docs/scaling.md"),
    },
    "one model over several GPUs": {
        "diffusion-pipe": Cell("yes (`pipeline_stages`)", "train.py"),
        "ai-toolkit": Cell("FLUX.1 only (`split_model_over_gpus`)", "toolkit/config_modules.py"),
        "SimpleTuner": Cell("sharded (FSDP2)", "documentation/FSDP2.md"),
        "sd-scripts": Cell("no", "train_network.py"),
        "musubi-tuner": Cell("no", "training/trainer_base.py"),
        "OneTrainer": Cell("no", "modules/trainer/GenericTrainer.py"),
        "diffusers": Cell("sharded (FSDP) for FLUX.2", "examples/dreambooth/train_dreambooth_lora_flux2_klein.py"),
        "lora-doctor": Cell("yes (`pipeline_stages`), or sharded (FSDP2)", "docs/scaling.md"),
    },
    "names in a Klein LoRA": {
        "diffusion-pipe": Cell("ComfyUI (`diffusion_model.`), no alpha", "models/base.py:704"),
        "ai-toolkit": Cell(
            "ComfyUI (`diffusion_model.`), no alpha",
            "extensions_built_in/diffusion_models/flux2 `convert_lora_weights_before_save`",
        ),
        "SimpleTuner": Cell("diffusers, whatever `lora_format` says", "helpers/models/common.py:2094"),
        "sd-scripts": Cell("trains no Klein"),
        "musubi-tuner": Cell("kohya (`lora_unet_`) with alpha", "networks/lora.py"),
        "OneTrainer": Cell("diffusers, kohya or ComfyUI, as chosen", "modules/util/enum/ModelFormat.py"),
        "diffusers": Cell("diffusers (`transformer.`)", "examples/dreambooth/train_dreambooth_lora_flux2_klein.py"),
        "lora-doctor": Cell("diffusers, ComfyUI or kohya, as chosen", "lora_doctor/dialects/native_fields.py"),
    },
    "text-encoder LoRA": {
        "diffusion-pipe": Cell("SDXL always, both; else no", "models/sdxl.py:436"),
        "ai-toolkit": Cell("CLIP of SD and SDXL", "toolkit/lora_special.py"),
        "SimpleTuner": Cell("no (the option adds no adapter)", "helpers/training/trainer.py:2931"),
        "sd-scripts": Cell("SD, SDXL, FLUX.1", "networks/lora.py, networks/lora_flux.py"),
        "musubi-tuner": Cell("no: texts are cached before", "docs/flux_2.md"),
        "OneTrainer": Cell("CLIP and T5; not with FLUX.2", "modules/modelSetup/*LoRASetup.py"),
        "diffusers": Cell("SDXL, FLUX.1 (CLIP)", "examples/dreambooth"),
        "lora-doctor": Cell("SDXL; Klein and SANA, which few load", "lora_doctor/train/adapters.py"),
    },
    "growing resolution": {
        "diffusion-pipe": Cell("no: several at once", "utils/dataset.py"),
        "ai-toolkit": Cell("no: several at once", "toolkit/config_modules.py"),
        "SimpleTuner": Cell("datasets with `start_epoch`, `start_step`", "documentation/DATALOADER.md"),
        "sd-scripts": Cell("no: several datasets at once", "library/config_util.py"),
        "musubi-tuner": Cell("no: several datasets at once", "dataset/config_utils.py"),
        "OneTrainer": Cell("no: one of several per image and epoch", "modules/dataLoader"),
        "diffusers": Cell("no", "examples/dreambooth"),
        "lora-doctor": Cell("`growth`: by steps or on a plateau", "lora_doctor/train/growth.py"),
    },
    "resume": {
        "diffusion-pipe": Cell("with optimiser; changed settings are ignored", "train.py"),
        "ai-toolkit": Cell("by itself, by the job's name", "jobs/process/BaseSDTrainProcess.py:914"),
        "SimpleTuner": Cell("by itself, the latest", "helpers/training/trainer.py"),
        "sd-scripts": Cell("with `save_state`; steps count anew", "train_network.py"),
        "musubi-tuner": Cell("with `save_state`; epochs count anew", "training/trainer_base.py"),
        "OneTrainer": Cell("from backups", "modules/trainer/GenericTrainer.py"),
        "diffusers": Cell("with optimiser, which keeps the old rate", "examples/dreambooth"),
        "lora-doctor": Cell("with optimiser, to the same bits on a CPU", "lora_doctor/train/checkpoints.py"),
    },
    "Windows": {
        "diffusion-pipe": Cell("WSL 2 only", "README.md, Windows support"),
        "ai-toolkit": Cell("yes", "README.md (run_windows.bat)"),
        "SimpleTuner": Cell("Docker or WSL", "INSTALL.md"),
        "sd-scripts": Cell("yes", "README.md, Windows Installation"),
        "musubi-tuner": Cell("yes", "README.md, Windows"),
        "OneTrainer": Cell("yes", "README.md (install.bat)"),
        "diffusers": Cell("yes; bitsandbytes and fp8 recipes are for Linux", "examples/dreambooth/README_flux2.md"),
        "lora-doctor": Cell("yes", "tests/writers/test_windows.py"),
    },
}


def columns() -> tuple[Column, ...]:
    """Every trainer that has a writer, in the writers' order."""
    return tuple(_column(module) for name in WRITERS for module in all_dialects() if name == module.TRAINER)


def features() -> tuple[str, ...]:
    """The rows of the table, top to bottom."""
    return (*_FROM_DIALECT, *READ)


def _table(trainer: str) -> KeyTable:
    known = TABLES.get(trainer)
    if known is None:
        return native_table()
    table = key_table(known[0], known[1])
    if trainer != "sd-scripts":
        return table
    return table._replace(keys=key_table("sd_scripts", "common").keys | table.keys)


def _column(module: Dialect) -> Column:
    trainer, table = module.TRAINER, _table(module.TRAINER)
    source = table.source if trainer in TABLES else "lora_doctor/dialects/native_fields.py"
    cells = {name: Cell(read(module, table), source) for name, read in _FROM_DIALECT.items()}
    for name, row in READ.items():
        if trainer in row:
            cells[name] = row[trainer]
    date = TABLES[trainer][2] if trainer in TABLES else ""
    return Column(trainer, table.version, source, date, cells)


def _syntaxes(module: Dialect, table: KeyTable) -> str:
    name = module.__name__.rpartition(".")[2]  # type: ignore[attr-defined]
    words = {"toml": "TOML", "yaml": "YAML", "json": "JSON", "shell": "command line"}
    return ", ".join(words[syntax] for syntax, names in ORDER.items() if name in names)


def _families(module: Dialect, table: KeyTable) -> str:
    return ", ".join(FAMILIES[family].title for family in writer(module.TRAINER).FAMILIES)


def _unknown_keys(module: Dialect, table: KeyTable) -> str:
    if module.TRAINER in ("sd-scripts", "musubi-tuner"):
        return "stop the command line and dataset config; ignored in `--config_file`"
    if module.TRAINER == "diffusers":
        return "stop it"
    return "stop it" if table.strict else "are ignored"


def _default(module: Dialect, table: KeyTable, field: str) -> Any:
    found = table.keys.get(module.CONCEPTS.get(field, ""))
    return found.default if found is not None else None


def _shown(value: Any) -> str:
    return "-" if value is None or value == [] else f"{value:g}" if isinstance(value, float) else str(value)


def _rank(module: Dialect, table: KeyTable) -> str:
    """Rank and alpha that stand where the config has none; readers know what a table can't say."""
    fixed = {
        "diffusion-pipe": "must be given / always the rank",
        "ai-toolkit": "4 / the rank (SDXL: 1)",
        "SimpleTuner": "16 / the rank",
        "lora-doctor": "16 / the rank",
        "sd-scripts": "4 / 1",
        "musubi-tuner": "4 / 1",
    }
    given = f"{_shown(_default(module, table, 'network.rank'))} / {_shown(_default(module, table, 'network.alpha'))}"
    return fixed.get(module.TRAINER, given)


def _rate(module: Dialect, table: KeyTable) -> str:
    value = _default(module, table, "optimizer.learning_rate")
    return "the optimiser's own" if value is None else f"{value:g}".replace("e-0", "e-")


def _schedules(module: Dialect, table: KeyTable) -> str:
    found = table.keys.get(module.CONCEPTS.get("optimizer.scheduler", ""))
    names = [str(name).lower() for name in found.choices] if found else []
    known = {
        "ai-toolkit": "constant, constant_with_warmup, cosine",
        "sd-scripts": "diffusers' and any class",
        "musubi-tuner": "diffusers' and any class",
    }
    return known.get(module.TRAINER) or ", ".join(names)


def _prodigy(module: Dialect, table: KeyTable) -> str:
    names = getattr(writer(module.TRAINER), "OPTIMIZERS", {"prodigy": "prodigy"})
    return f"`{names['prodigy']}`" if "prodigy" in names else "no"


def _has(field: str, besides: dict[str, str] | None = None) -> Callable[[Dialect, KeyTable], str]:
    """`yes` with the trainer's key, or `no`, for a plan field."""

    def read(module: Dialect, table: KeyTable) -> str:
        key = module.CONCEPTS.get(field, "")
        if besides and module.TRAINER in besides:
            return besides[module.TRAINER]
        plain = key.rpartition(".")[2]
        return f"`{plain}`" if key else "no"

    return read


_FROM_DIALECT: dict[str, Callable[[Dialect, KeyTable], str]] = {
    "LoRA of": _families,
    "config": _syntaxes,
    "unknown keys": _unknown_keys,
    "rank / alpha when not given": _rank,
    "learning rate when not given": _rate,
    "schedules": _schedules,
    "Prodigy": _prodigy,
    "average of weights (EMA)": _has("optimizer.ema", {"diffusers": "no"}),
    "masks": _has(
        "dataset.masks", {"OneTrainer": "`-masklabel.png` files", "SimpleTuner": "`conditioning_type: mask`"}
    ),
    "caption dropout": _has("dataset.caption_dropout", {"OneTrainer": "`dropout_probability`"}),
    "previews": _has("validation.prompts", {"OneTrainer": "`samples`"}),
    "held-out loss": _has(
        "validation.held_out",
        {"SimpleTuner": "a dataset of type `eval`", "ai-toolkit": "`validation_items`", "lora-doctor": "`held_out`"},
    ),
}


def markdown() -> str:
    """The page: the table, and below it the source of every cell that no key table says."""
    found = columns()
    head = "| | " + " | ".join(column.trainer for column in found) + " |"
    lines = [head, "|---|" + "---|" * len(found)]
    for feature in features():
        cells = (column.cells.get(feature, Cell("-")).text.replace("|", "\\|") for column in found)
        lines.append(f"| {feature} | " + " | ".join(cells) + " |")
    lines.append("| read at | " + " | ".join(_read_at(column) for column in found) + " |")
    notes = [
        f"- {feature}: "
        + "; ".join(
            f"{column.trainer} {column.cells[feature].source}"
            for column in found
            if feature in column.cells and column.cells[feature].source
        )
        for feature in READ
    ]
    return "\n".join(lines) + "\n\nWhere it was read, in each repository at that commit:\n\n" + "\n".join(notes) + "\n"


def _read_at(column: Column) -> str:
    return f"{column.source}, {column.date}" if column.date else f"version {column.version}"
