"""OneTrainer: training configs and presets, concept and sample lists, and the command line that names them.

Unknown keys are ignored; a value that can't be used leaves the default in place. Presets are partial files without a
version. Source: Nerogar/OneTrainer@23df3832 (see `onetrainer_config`, `onetrainer_plan`, `onetrainer_concepts`).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.derived import total_steps
from lora_doctor.dialects import onetrainer_plan as part
from lora_doctor.dialects.argv import command_config, flags
from lora_doctor.dialects.onetrainer_concepts import concepts, follow, is_concepts, is_samples, previews
from lora_doctor.dialects.onetrainer_config import list_config, train_config, usable, version_of
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.setting import Config, Setting, key_table
from lora_doctor.source.document import Command, Document, Word

TRAINER = "OneTrainer"
CONCEPTS = {
    "network.kind": "peft_type",
    "network.rank": "lora_rank",
    "network.alpha": "lora_alpha",
    "network.dropout": "dropout_probability",
    "network.targets": "layer_filter",
    "network.weights": "lora_model_name",
    "network.dtype": "lora_weight_dtype",
    "optimizer.name": "optimizer.optimizer",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.text_encoder_learning_rate": "text_encoder.learning_rate",
    "optimizer.weight_decay": "optimizer.weight_decay",
    "optimizer.scheduler": "learning_rate_scheduler",
    "optimizer.warmup_steps": "learning_rate_warmup_steps",
    "optimizer.gradient_clip": "clip_grad_norm",
    "optimizer.ema": "ema",
    "precision.compute": "train_dtype",
    "precision.base": "transformer.weight_dtype",
    "precision.save": "output_dtype",
    "timesteps.sampling": "timestep_distribution",
    "timesteps.shift": "timestep_shift",
    "timesteps.noise_offset": "offset_noise_weight",
    "validation.prompts": "sample_definition_file_name",
    "validation.every_steps": "sample_after",
    "validation.held_out": "validation",
    "saving.folder": "workspace_dir",
    "saving.name": "output_model_destination",
    "saving.every_steps": "save_every",
    "saving.resume": "continue_last_backup",
    "model": "base_model_name",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "accumulation": "gradient_accumulation_steps",
    "train_text_encoder": "text_encoder.train",
    "cache_latents": "latent_caching",
    "dataset.folder": "concepts.*.path",
    "dataset.repeats": "concepts.*.balancing",
    "dataset.resolution": "resolution",
    "dataset.buckets": "aspect_ratio_bucketing",
    "dataset.masks": "masked_training",
    "dataset.shuffle_tags": "concepts.*.text.enable_tag_shuffling",
}


def recognise(document: Document) -> str | None:
    """`training`, `preset` (no version), `concepts`, `samples`, `secrets`, or `command` for its launch line."""
    if document.syntax == "shell":
        return "command" if any(_launch(command) for command in document.commands) else None
    data = document.data
    if isinstance(data, list):
        return "concepts" if is_concepts(data) else "samples" if is_samples(data) else None
    if not isinstance(data, dict):
        return None
    if _is_training(data):
        return "training" if version_of(data) is not None else "preset"
    return "secrets" if "huggingface_token" in data and isinstance(data.get("cloud"), dict) else None


def _is_training(data: dict[str, Any]) -> bool:
    """`training_method` is no other trainer's key; a model type in capitals with OneTrainer's words beside it."""
    own = {"base_model_name", "concept_file_name", "output_model_destination", "lora_rank", "workspace_dir"}
    models = key_table("onetrainer", "config").keys["model_type"].choices
    if "training_method" in data and ("model_type" in data or own & data.keys()):
        return True
    return data.get("model_type") in models and bool(own & data.keys())


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """A config with its concepts and samples, one of these lists alone, or the configs a script names."""
    if kind == "command":
        calls = (_launch(command) for command in document.commands)
        return tuple(plan for words in calls if words for plan in _from_command(document, words, reader))
    if kind in ("training", "preset"):
        return (_plan(train_config(document, migrate=kind != "preset"), kind, reader),)
    if kind == "concepts":
        config = list_config(document, "concepts")
        trained, unused = concepts(config, "", None, reader)
        return (Plan(TRAINER, kind, config, datasets=trained, unused=unused),)
    return (Plan(TRAINER, kind, list_config(document, "samples")),) if kind == "samples" else ()


def _launch(command: Command) -> tuple[Command, tuple[Word, ...]] | None:
    """`python scripts/train.py --config-path x.json`, or `run-cmd.sh train --config-path=x.json`."""
    for i, word in enumerate(command.words):
        name = word.text.replace("\\", "/").rpartition("/")[2]
        if name in ("train.py", "train_remote.py") or (name == "run-cmd.sh" and i + 1 < len(command.words)):
            words = command.words[i + 1 :]
            return (command, words) if any(flag.name == "config-path" for flag in flags(words)) else None
    return None


def _from_command(document: Document, call: tuple[Command, tuple[Word, ...]], reader: Reader) -> tuple[Plan, ...]:
    command, words = call
    launch = command_config(document, command, words, key_table("onetrainer", "train.py"))
    launch.repeated = [setting for setting in launch.repeated if setting.key != "--config-value"]  # these add up
    main = reader.document(launch.get("config-path").value, document)
    if main is None or not isinstance(main.data, dict):
        return ()
    named = launch.settings.get("preset-path")
    base = reader.document(named.value, document) if named else None
    config = train_config(main, migrate=named is None)
    under = train_config(base, migrate=False) if base is not None and isinstance(base.data, dict) else None
    for key, setting in under.settings.items() if under else ():
        config.settings.setdefault(key, setting)
    _override(config, document, words)
    plan = _plan(config, "training", reader)
    files = (under,) if under else ()
    return (plan._replace(launch=launch, script="train.py", dataset_configs=(*files, *plan.dataset_configs)),)


def _override(config: Config, document: Document, words: tuple[Word, ...]) -> None:
    """`--config-value KEY=VALUE`, as often as wanted: the value is converted as in the file."""
    for flag in flags(words):
        key, equals, value = (flag.values[0].text if flag.values else "").partition("=")
        known = config.table.find(key)
        if flag.name != "config-value" or not equals or known is None:
            continue
        read: Any = value
        if known.type == "bool":
            read = value.lower() in ("true", "1", "yes")
        elif known.type in ("int", "float"):
            read = _number(value)
        place = config.anchor._replace(document=document, span=flag.values[0].span, path=())
        config.settings[key] = Setting(read, "written", key, place)


def _number(text: str) -> Any:
    try:
        return float(text) if any(mark in text for mark in ".eE") else int(text)
    except ValueError:
        return text


def _plan(config: Config, kind: str, reader: Reader) -> Plan:
    holder, root = follow(config, "concepts", "concept_file_name", "concepts", reader)
    prompts, prompts_root = follow(config, "samples", "sample_definition_file_name", "samples", reader)
    trained, unused = concepts(holder, root, config, reader) if holder else ((), ())
    plan = Plan(
        TRAINER,
        kind,
        config,
        dataset_configs=tuple(file for file in (holder, prompts) if file is not None and file is not config),
        model=part.model(config, reader),
        network=part.network(config),
        precision=part.precision(config),
        timesteps=part.timesteps(config),
        validation=previews(config, prompts, prompts_root),
        saving=part.saving(config),
        epochs=usable(config, "epochs"),
        batch_size=usable(config, "batch_size"),
        accumulation=usable(config, "gradient_accumulation_steps"),
        processes=_devices(config),
        train_text_encoder=part.trains_text(config),
        cache_latents=usable(config, "latent_caching"),
        cache_text=usable(config, "latent_caching").map(lambda on: bool(on) and not part.needs_text_encoder(config)),
        prompt_tokens=part.prompt_tokens(config),
        datasets=trained,
        unused=unused,
    )
    return plan._replace(optimizer=part.optimizer(config, total_steps(plan)))


def _devices(config: Config) -> Setting[int]:
    """One, or with `multi_gpu` those of `device_indexes` (all, when empty: how many is not known here)."""
    many = usable(config, "multi_gpu")
    if many.value is not True:
        return many.map(lambda _: 1)
    return usable(config, "device_indexes").map(lambda text: len(str(text).split(",")) if text else None)
