"""SimpleTuner: config.json, config.toml or config.env, the data backends and LyCORIS file they name, launch lines.

Source: bghira/SimpleTuner@bc8e6ab, version 4.8.0 (helpers/configuration, helpers/training/trainer.py, cli/train.py).
"""

from __future__ import annotations

import os
from typing import Any

from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.simpletuner_adapter import lycoris_network, lycoris_settings, network
from lora_doctor.dialects.simpletuner_dataset import Backends, is_backend, read_backends
from lora_doctor.dialects.simpletuner_env import EXTRA, OWN, env_settings, option, variables
from lora_doctor.dialects.simpletuner_launch import launch_flags, launch_words, launched, own_words
from lora_doctor.dialects.simpletuner_model import model, prompt_tokens, text_encoder, timesteps, vae
from lora_doctor.dialects.simpletuner_optimizer import optimizer
from lora_doctor.dialects.simpletuner_settings import (
    canonical,
    command_settings,
    file_settings,
    file_table,
    number,
    text,
    whole,
)
from lora_doctor.plan import Plan, Precision, Saving, Validation
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Document

TRAINER = "SimpleTuner"
CONCEPTS = {
    "model": "pretrained_model_name_or_path",
    "vae": "pretrained_vae_model_name_or_path",
    "network.kind": "lora_type",
    "network.rank": "lora_rank",
    "network.alpha": "lora_alpha",
    "network.dropout": "lora_dropout",
    "network.targets": "peft_lora_target_modules",
    "network.weights": "init_lora",
    "optimizer.name": "optimizer",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.text_encoder_learning_rate": "text_encoder_lr",
    "optimizer.scheduler": "lr_scheduler",
    "optimizer.warmup_steps": "lr_warmup_steps",
    "optimizer.gradient_clip": "max_grad_norm",
    "optimizer.ema": "use_ema",
    "precision.compute": "mixed_precision",
    "precision.base": "base_model_precision",
    "precision.vae": "vae_dtype",
    "precision.gradient_checkpointing": "gradient_checkpointing",
    "precision.blocks_to_swap": "musubi_blocks_to_swap",
    "timesteps.shift": "flow_schedule_shift",
    "timesteps.prediction": "prediction_type",
    "timesteps.zero_terminal_snr": "rescale_betas_zero_snr",
    "timesteps.min_snr_gamma": "snr_gamma",
    "timesteps.noise_offset": "noise_offset",
    "timesteps.guidance": "flux_guidance_value",
    "validation.prompts": "validation_prompt",
    "validation.every_steps": "validation_step_interval",
    "validation.every_epochs": "validation_epoch_interval",
    "validation.guidance": "validation_guidance",
    "validation.sampler_steps": "validation_num_inference_steps",
    "validation.size": "validation_resolution",
    "validation.seed": "validation_seed",
    "validation.walk_seed": "validation_randomize",
    "saving.folder": "output_dir",
    "saving.every_steps": "checkpoint_step_interval",
    "saving.every_epochs": "checkpoint_epoch_interval",
    "saving.keep": "checkpoints_total_limit",
    "saving.resume": "resume_from_checkpoint",
    "steps": "max_train_steps",
    "epochs": "num_train_epochs",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "processes": "num_processes",
    "seed": "seed",
    "train_text_encoder": "train_text_encoder",
    "prompt_tokens": "tokenizer_max_length",
    "dataset.folder": "*.instance_data_dir",
    "dataset.repeats": "*.repeats",
    "dataset.resolution": "*.resolution",
    "dataset.caption_source": "*.caption_strategy",
    "dataset.caption_dropout": "caption_dropout_probability",
    "dataset.regularisation": "*.is_regularisation_data",
}
PRECISIONS = ("int8", "int4", "int2", "fp8", "nf4", "uint4", "int6", "fp16")
DISTINCT = frozenset({
    "data_backend_config", "model_flavour", "lycoris_config", "base_model_precision", "user_prompt_library",
    "validation_prompt_library", "caption_dropout_probability", "tracker_run_name", "flow_schedule_shift",
})  # fmt: skip


def recognise(document: Document) -> str | None:
    """A run's config by its families and own keys; data backends by their entries; the rest by its shape."""
    if document.syntax == "shell":
        return _shell_kind(document)
    data = document.data
    if isinstance(data, list):
        return "dataset" if data and all(is_backend(entry) for entry in data) else None
    if not isinstance(data, dict):
        return None
    if _is_run(data):
        return "training"
    if document.syntax != "json":
        return None
    if "algo" in data and data.keys() & {"multiplier", "linear_dim", "linear_alpha", "apply_preset"}:
        return "lycoris"
    if is_backend(data):
        return "dataset"
    if isinstance(data.get("config"), dict) and "_metadata" in data and _is_run(data["config"]):
        return "web interface preset"
    return "prompt library" if _is_prompt_library(document.name, data) else None


def _is_run(data: dict[Any, Any]) -> bool:
    plain = {str(key).strip().lstrip("-"): value for key, value in data.items()}
    if not plain.keys() & (DISTINCT | {"model_family"}):
        return False
    names = {canonical(key, file_table()) for key in plain}
    family = plain.get("model_family")
    if isinstance(family, str):
        known = sum(name in file_table().keys for name in names)
        return bool(names & (DISTINCT | {"model_type"})) or known == len(names)
    return "data_backend_config" in names or len(names & DISTINCT) >= 3


def _is_prompt_library(name: str, data: dict[Any, Any]) -> bool:
    file = os.path.basename(name).lower()
    texts = all(isinstance(value, str) or (isinstance(value, dict) and "caption" in value) for value in data.values())
    return "prompt" in file and bool(data) and texts


def _shell_kind(document: Document) -> str | None:
    if any(launch_words(command) is not None or own_words(command) is not None for command in document.commands):
        return "command"
    names = set(variables(document))
    if len(names & OWN) >= 2 and not document.commands:  # train.sh sets them too, between commands
        return "training"
    named = "config.env" in os.path.basename(document.name).lower()
    return "environment" if named and any(option(name) or name == EXTRA for name in names) else None


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """A run with everything it names, a file that belongs to one, or the runs a script starts."""
    if kind == "command":
        return tuple(_commands(document, reader))
    if kind == "training":
        run = env_settings(document) if document.syntax == "shell" else file_settings(document)
        return (_run(run, reader),)
    if kind == "dataset":
        backends = read_backends(document, reader, None)
        return (Plan(TRAINER, "dataset", backends.config, datasets=backends.datasets, unused=backends.unused),)
    if kind == "lycoris":
        lycoris = lycoris_settings(document)
        return (Plan(TRAINER, "lycoris", lycoris, network=lycoris_network(lycoris)),)
    return ()


def _commands(document: Document, reader: Reader) -> list[Plan]:
    plans = []
    for command in document.commands:
        own = own_words(command)
        if own is not None:
            plans.append(_run(command_settings(document, command, own), reader)._replace(script="train.py"))
        words = launch_words(command)
        config = launched(document, words, reader) if words is not None else None
        if words is not None and config is not None and recognise(config) == "training":
            flags = launch_flags(document, command, words)
            plans += [plan._replace(launch=flags) for plan in read(config, "training", reader)]
    return plans


def _run(run: Config, reader: Reader) -> Plan:
    document, get = run.document, run.get
    backend_file = reader.document(get("data_backend_config").value, document)
    backends = _backends(backend_file, reader, run)
    lycoris_file = reader.document(_lycoris_path(run), document)
    lycoris = lycoris_settings(lycoris_file) if lycoris_file is not None and lycoris_file.syntax == "json" else None
    datasets = backends.datasets if backends else ()
    base = model(run, reader)
    steps = get("max_train_steps").map(lambda value: whole(value) or None)
    return Plan(
        TRAINER,
        "training",
        run,
        dataset_configs=tuple(config for config in (backends.config if backends else None, lycoris) if config),
        model=base,
        text_encoder=text_encoder(run, reader),
        vae=vae(run, reader),
        network=network(run, lycoris),
        optimizer=optimizer(run),
        precision=_precision(run),
        timesteps=timesteps(run, base.family),
        validation=_validation(run, backends, reader),
        saving=_saving(run, reader),
        steps=steps,
        epochs=Setting() if steps.value else get("num_train_epochs").map(lambda value: whole(value) or None),
        batch_size=get("train_batch_size").map(whole),
        accumulation=get("gradient_accumulation_steps").map(whole),
        processes=get("num_processes").map(whole),
        seed=get("seed").map(whole),
        trigger=next((data.trigger for data in datasets if data.trigger.value), Setting()),
        train_text_encoder=get("train_text_encoder"),
        cache_latents=get("vae_cache_disable").map(lambda off: not off),
        cache_text=get("text_cache_disable").map(lambda off: not off),
        prompt_tokens=prompt_tokens(run),
        datasets=datasets,
        unused=backends.unused if backends else (),
    )


def _backends(document: Document | None, reader: Reader, run: Config) -> Backends | None:
    return read_backends(document, reader, run) if document is not None and recognise(document) == "dataset" else None


def _lycoris_path(run: Config) -> object:
    lycoris = run.get("model_type").value != "full" and run.get("lora_type").value == "lycoris"
    return run.get("lycoris_config").value if lycoris else None


def _precision(run: Config) -> Precision:
    family, vae_type = run.get("model_family").value, run.get("vae_dtype")
    base = run.get("base_model_precision")
    computed = run.get("mixed_precision").map(lambda name: "fp32" if name == "no" else text(name))
    return Precision(
        compute=computed,
        base=base.map(lambda name: computed.value if name == "no_change" else _storage(name)),
        text_encoder=run.get("text_encoder_1_precision").map(_storage),
        vae=vae_type.map(lambda name: "fp32" if family == "sana" else None if name == "default" else text(name)),
        gradient_checkpointing=run.get("gradient_checkpointing"),
        blocks_to_swap=run.get("musubi_blocks_to_swap").map(whole),
    )


def _storage(name: object) -> str | None:
    """`int8-quanto` -> `int8`; `no_change` says nothing."""
    return next((known for known in PRECISIONS if str(name).startswith(known)), None)


def _validation(run: Config, backends: Backends | None, reader: Reader) -> Validation:
    return Validation(
        prompts=_prompts(run, reader),
        every_steps=run.get("validation_step_interval").map(whole),
        every_epochs=run.get("validation_epoch_interval").map(whole),
        guidance=run.get("validation_guidance").map(number),
        sampler_steps=run.get("validation_num_inference_steps").map(whole),
        size=run.get("validation_resolution").map(_size),
        seed=run.get("validation_seed").map(whole),
        walk_seed=run.get("validation_randomize"),
        held_out=backends.held_out if backends else Setting(),
    )


def _prompts(run: Config, reader: Reader) -> Setting[list[str]]:
    """The validation prompts; unknown with SimpleTuner's own library, empty where nothing is to be drawn."""
    if run.get("validation_disable").value is True:
        return run.get("validation_disable").map(lambda _: [])
    prompt, library = run.get("validation_prompt"), run.get("user_prompt_library")
    if library.value:
        found = reader.document(library.value, run.document)
        texts = list(found.data.values()) if found is not None and isinstance(found.data, dict) else []
        own = [text for text in (*texts, prompt.value) if isinstance(text, str) and text]
        return library.map(lambda _: own or None)
    if run.get("validation_prompt_library").value:
        return Setting()
    return prompt.map(lambda text: [str(text)]) if prompt.value else run.get("validation_prompt", [])


def _size(value: Any) -> list[int] | None:
    """The first of `1024x1024,1280x768`; one number is an edge, below 128 in thousands of pixels."""
    first = str(value).split(",")[0].strip().lower()
    width, cross, height = first.partition("x")
    sides = [number(width), number(height) if cross else number(width)]
    if any(side is None or side <= 0 for side in sides):
        return None
    edges = [int(side or 0) for side in sides]
    if not cross and edges[0] < 128:
        edges = [1024 if edges[0] == 1 else edges[0] * 1000 // 8 * 8] * 2
    return edges if all(edges) else None


def _saving(run: Config, reader: Reader) -> Saving:
    folder = run.get("output_dir").map(text)
    path = reader.find(folder.value, run.document) if reader.datasets and folder.value else None
    return Saving(
        folder=folder,
        every_steps=run.get("checkpoint_step_interval").map(whole),
        every_epochs=run.get("checkpoint_epoch_interval").map(whole),
        keep=run.get("checkpoints_total_limit").map(whole),
        resumable=run.get("checkpoint_step_interval").map(lambda _: True),
        resume=run.get("resume_from_checkpoint"),
        existing=tuple(sorted(os.listdir(path))) if path is not None and path.is_dir() else (),
    )
