"""ai-toolkit: job files in YAML or JSON, and the `python run.py` line that names them.

Every config class takes the keys it knows with `kwargs.get`: what else stands in the file is ignored. Source:
ostris/ai-toolkit@27a03a91 (toolkit/config.py, toolkit/config_modules.py, jobs/, extensions_built_in/).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.ai_toolkit_plan import training_plan
from lora_doctor.dialects.ai_toolkit_values import process_config
from lora_doctor.dialects.launch import file_name
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.plan import Plan
from lora_doctor.setting import KeyTable, key_table
from lora_doctor.source.document import Document, KeyPath

TRAINER = "ai-toolkit"
CONCEPTS = {
    "model": "model.name_or_path",
    "text_encoder": "model.te_name_or_path",
    "vae": "model.vae_path",
    "network.kind": "network.type",
    "network.rank": "network.linear",
    "network.alpha": "network.linear_alpha",
    "network.conv_rank": "network.conv",
    "network.conv_alpha": "network.conv_alpha",
    "network.dropout": "network.dropout",
    "network.targets": "network.network_kwargs.only_if_contains",
    "network.excluded": "network.network_kwargs.ignore_if_contains",
    "network.weights": "network.pretrained_lora_path",
    "optimizer.name": "train.optimizer",
    "optimizer.learning_rate": "train.lr",
    "optimizer.weight_decay": "train.optimizer_params.weight_decay",
    "optimizer.scheduler": "train.lr_scheduler",
    "optimizer.warmup_steps": "train.lr_scheduler_params.num_warmup_steps",
    "optimizer.gradient_clip": "train.max_grad_norm",
    "optimizer.ema": "train.ema_config.use_ema",
    "precision.compute": "train.dtype",
    "precision.base": "model.qtype",
    "precision.text_encoder": "model.qtype_te",
    "precision.save": "save.dtype",
    "precision.gradient_checkpointing": "train.gradient_checkpointing",
    "timesteps.sampling": "train.timestep_type",
    "timesteps.min_snr_gamma": "train.min_snr_gamma",
    "timesteps.noise_offset": "train.noise_offset",
    "timesteps.guidance": "train.cfg_scale",
    "validation.prompts": "sample.prompts",
    "validation.every_steps": "sample.sample_every",
    "validation.guidance": "sample.guidance_scale",
    "validation.sampler_steps": "sample.sample_steps",
    "validation.seed": "sample.seed",
    "saving.folder": "training_folder",
    "saving.every_steps": "save.save_every",
    "saving.keep": "save.max_step_saves_to_keep",
    "steps": "train.steps",
    "batch_size": "train.batch_size",
    "accumulation": "train.gradient_accumulation",
    "seed": "training_seed",
    "trigger": "trigger_word",
    "train_text_encoder": "train.train_text_encoder",
    "cache_latents": "datasets.*.cache_latents_to_disk",
    "cache_text": "train.cache_text_embeddings",
    "dataset.folder": "datasets.*.folder_path",
    "dataset.control": "datasets.*.control_path",
    "dataset.masks": "datasets.*.mask_path",
    "dataset.repeats": "datasets.*.num_repeats",
    "dataset.resolution": "datasets.*.resolution",
    "dataset.buckets": "datasets.*.buckets",
    "dataset.caption_extension": "datasets.*.caption_ext",
    "dataset.caption_dropout": "datasets.*.caption_dropout_rate",
    "dataset.shuffle_tags": "datasets.*.shuffle_tokens",
    "dataset.keep_tokens": "datasets.*.keep_tokens",  # against token dropout only
    "dataset.trigger": "datasets.*.trigger_word",
    "dataset.regularisation": "datasets.*.is_reg",
}
JOBS = ("extension", "train", "mod", "generate", "extract")
SECTIONS = ("network", "train", "model", "datasets", "save", "sample")
SLIDERS = ("slider", "slider_old", "concept_slider", "image_reference_slider_trainer", "ultimate_slider_trainer")
TRAINERS = ("sd_trainer", "diffusion_trainer", "ui_trainer", "textual_inversion_trainer", "concept_replacer")
SUPPORT = {"extract": "extract", "mod": "mod", "generate": "generate"}
SUFFIXES = (".yaml", ".yml", ".json", ".jsonc")


def recognise(document: Document) -> str | None:
    """A job with a `config` is certain; sections with ai-toolkit's own keys are one that was nested wrongly."""
    if document.syntax == "shell":
        return "command" if _launched(document) else None
    data = document.data
    if not isinstance(data, dict):
        return None
    config = data.get("config")
    if data.get("job") in JOBS and isinstance(config, dict):
        return _kind(data["job"], document)
    inner = config if isinstance(config, dict) else data
    processes = inner.get("process")
    if isinstance(processes, list) and any(_sections(item) and "type" in item for item in processes):
        return "training" if isinstance(config, dict) else "misnested"
    own = _sections(inner) >= 3 and _is_own(inner)
    return "misnested" if own else None


def _kind(job: str, document: Document) -> str:
    kinds = [_process_kind(job, document.data, path) for path in _processes(document)]
    if kinds:
        return kinds[0]
    return SUPPORT.get(job, "misnested")


def _sections(item: Any) -> int:
    """How many of a process's sections stand in a table."""
    return sum(isinstance(item.get(name), (dict, list)) for name in SECTIONS) if isinstance(item, dict) else 0


def _is_own(table: dict[str, Any]) -> bool:
    """Whether the sections hold keys that only ai-toolkit has."""
    model, train, entries = (table.get(name) for name in ("model", "train", "datasets"))
    entry = entries[0] if isinstance(entries, list) and entries else None
    return (
        (isinstance(model, dict) and "name_or_path" in model)
        or (isinstance(train, dict) and "noise_scheduler" in train)
        or (isinstance(entry, dict) and "folder_path" in entry)
    )


def _processes(document: Document) -> list[KeyPath]:
    """Where the items of `config.process` stand."""
    config = document.data.get("config")
    items = config.get("process") if isinstance(config, dict) else None
    if not isinstance(items, list):
        return []
    return [("config", "process", i) for i, item in enumerate(items) if isinstance(item, dict)]


def _process_kind(job: str, data: dict[str, Any], path: KeyPath) -> str:
    item = data["config"]["process"][path[-1]]
    kind = item.get("type")
    if job in SUPPORT:
        return SUPPORT[job]
    if kind in SLIDERS:
        return "slider"
    if kind in TRAINERS or isinstance(item.get("train"), dict):
        return "training"
    outside = _sections(data["config"]) + _sections(data)
    return "misnested" if outside >= 2 and not _sections(item) else "other"


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """One plan for every process of a job, or of the jobs a command line names."""
    if kind == "command":
        return _followed(document, reader)
    plans = [_read_process(document, path, reader) for path in _processes(document)]
    found = tuple(plan for plan in plans if plan is not None)
    if found or kind in ("other", *SUPPORT.values()):
        return found
    return (_unread(document),)


def _unread(document: Document) -> Plan:
    """A job whose sections the trainer never sees: no key of it is judged."""
    return Plan(TRAINER, "misnested", structured_config(document, key_table("ai_toolkit", "unread")))


def _read_process(document: Document, path: KeyPath, reader: Reader) -> Plan | None:
    kind = _process_kind(str(document.data.get("job")), document.data, path)
    if kind == "misnested" or (kind == "training" and _is_hollow(document, path)):
        return _unread(document)
    if kind == "training":
        return training_plan(process_config(document, key_table("ai_toolkit", "process"), path), reader, TRAINER)
    if kind == "other":
        return None
    return Plan(TRAINER, kind, process_config(document, _support_table(kind), path))


def _is_hollow(document: Document, path: KeyPath) -> bool:
    """A process without any section, whose sections stand beside it."""
    item = document.data["config"]["process"][path[-1]]
    return not _sections(item) and _sections(document.data["config"]) + _sections(document.data) >= 2


def _support_table(kind: str) -> KeyTable:
    """A slider has a training process's keys and its own; `generate` reads the same `model`."""
    table, process = key_table("ai_toolkit", kind), key_table("ai_toolkit", "process")
    if kind == "slider":
        folder = process.keys["training_folder"]._replace(required=False)  # `job: train` has it beside the processes
        return table._replace(keys=process.keys | table.keys | {"training_folder": folder})
    if kind == "generate":
        return table._replace(keys={k: r for k, r in process.keys.items() if k.startswith("model.")} | table.keys)
    return table


def _launched(document: Document) -> list[str]:
    """Job files named on `python run.py config/a.yaml config/b.yaml` lines."""
    found = []
    for command in document.commands:
        texts = [word.text for word in command.words]
        script = next((i for i, text in enumerate(texts) if file_name(text) == "run.py"), None)
        if script is None:
            continue
        after = zip(texts[script:], texts[script + 1 :])
        found += [text for before, text in after if before not in ("-n", "--name", "-l", "--log") and _is_job(text)]
    return found


def _is_job(text: str) -> bool:
    return not text.startswith("-") and (text.lower().endswith(SUFFIXES) or text.startswith(("config/", "config\\")))


def _followed(document: Document, reader: Reader) -> tuple[Plan, ...]:
    """The trainer looks in its `config` folder first, and may be given a name without its ending."""
    plans: list[Plan] = []
    for name in _launched(document):
        names = [name, f"config/{name}", *(f"{name}{suffix}" for suffix in SUFFIXES)]
        job = next((found for found in (reader.document(each, document) for each in names) if found), None)
        kind = recognise(job) if job is not None and job.syntax in ("yaml", "json") else None
        if job is not None and kind is not None and kind != "command":
            plans += read(job, kind, reader)
    return tuple(plans)
