"""sd-scripts: command lines of its training scripts, `--config_file` and dataset configs.

Flags are argparse's and strict, the config file is neither checked nor converted, the dataset config is checked to the
letter. Source: kohya-ss/sd-scripts@48d368fa (see `sd_scripts_command`, `sd_scripts_plan`, `sd_scripts_dataset`).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects import sd_scripts_plan as part
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.sd_scripts_command import (
    Call,
    calls,
    file_table,
    flat_config,
    kind_of,
    launch_flags,
    settings,
)
from lora_doctor.dialects.sd_scripts_dataset import balanced, dataset_config, datasets, folders, is_dataset
from lora_doctor.models.names import identify_name
from lora_doctor.plan import Component, Dataset, Plan
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Document

TRAINER = "sd-scripts"
CONCEPTS = {
    "network.kind": "network_module",
    "network.rank": "network_dim",
    "network.alpha": "network_alpha",
    "network.dropout": "network_dropout",
    "network.weights": "network_weights",
    "optimizer.name": "optimizer_type",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.text_encoder_learning_rate": "text_encoder_lr",
    "optimizer.scheduler": "lr_scheduler",
    "optimizer.warmup_steps": "lr_warmup_steps",
    "optimizer.gradient_clip": "max_grad_norm",
    "precision.compute": "mixed_precision",
    "precision.base": "fp8_base",
    "precision.save": "save_precision",
    "precision.vae": "no_half_vae",
    "precision.gradient_checkpointing": "gradient_checkpointing",
    "precision.blocks_to_swap": "blocks_to_swap",
    "timesteps.sampling": "timestep_sampling",
    "timesteps.shift": "discrete_flow_shift",
    "timesteps.weighting": "weighting_scheme",
    "timesteps.prediction": "v_parameterization",
    "timesteps.zero_terminal_snr": "zero_terminal_snr",
    "timesteps.min_snr_gamma": "min_snr_gamma",
    "timesteps.noise_offset": "noise_offset",
    "timesteps.guidance": "guidance_scale",
    "validation.prompts": "sample_prompts",
    "validation.every_steps": "sample_every_n_steps",
    "validation.every_epochs": "sample_every_n_epochs",
    "validation.held_out": "validation_split",
    "saving.folder": "output_dir",
    "saving.name": "output_name",
    "saving.every_steps": "save_every_n_steps",
    "saving.every_epochs": "save_every_n_epochs",
    "saving.keep": "save_last_n_epochs",
    "saving.resumable": "save_state",
    "saving.resume": "resume",
    "model": "pretrained_model_name_or_path",
    "text_encoder": "t5xxl",
    "vae": "vae",
    "steps": "max_train_steps",
    "epochs": "max_train_epochs",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "seed": "seed",
    "cache_latents": "cache_latents",
    "cache_text": "cache_text_encoder_outputs",
    "prompt_tokens": "max_token_length",
    "dataset.folder": "train_data_dir",
    "dataset.repeats": "datasets.*.subsets.*.num_repeats",
    "dataset.resolution": "resolution",
    "dataset.buckets": "enable_bucket",
    "dataset.caption_extension": "caption_extension",
    "dataset.caption_dropout": "caption_dropout_rate",
    "dataset.shuffle_tags": "shuffle_caption",
    "dataset.keep_tokens": "keep_tokens",
    "dataset.masks": "datasets.*.subsets.*.conditioning_data_dir",
}
_TYPICAL = frozenset({"pretrained_model_name_or_path", "network_dim", "learning_rate", "max_train_steps", "output_name",
                      "train_batch_size", "max_train_epochs", "network_alpha", "train_data_dir"})  # fmt: skip
_OF_FINE_TUNES = frozenset({"train_text_encoder", "learning_rate_te", "learning_rate_te1", "learning_rate_te2",
                            "block_lr", "fused_backward_pass"})  # fmt: skip
_OF_NETWORKS = frozenset({"network_module", "network_dim", "network_alpha", "network_args"})
_NOT_OURS = frozenset({"accelerate_launch", "configuration", "server"})  # tables of the kohya_ss GUI's own settings
_MODULES = {
    "networks.lora_flux": "flux_train_network.py", "networks.oft_flux": "flux_train_network.py",
    "networks.lora_sd3": "sd3_train_network.py", "networks.lora_lumina": "lumina_train_network.py",
    "networks.lora_anima": "anima_train_network.py", "networks.lora_hunyuan_image": "hunyuan_image_train_network.py",
}  # fmt: skip
_TELLING = {"clip_g": "sd3_train_network.py", "gemma2": "lumina_train_network.py", "qwen3": "anima_train_network.py",
            "byt5": "hunyuan_image_train_network.py", "t5xxl": "flux_train_network.py"}  # fmt: skip
_NAMED = {"sdxl": "sdxl_train_network.py", "sd15": "train_network.py", "sd2": "train_network.py",
          "flux1": "flux_train_network.py", "sd3": "sd3_train_network.py"}  # fmt: skip
_TRAINERS = {"sd-lora": "train_network.py", "sdxl-lora": "sdxl_train_network.py", "flux-lora": "flux_train_network.py",
             "sd3-lora": "sd3_train_network.py"}  # fmt: skip  # the words of lora-scripts

ONE_PROCESS: Setting[int] = Setting()  # as far as the config can say: accelerate's own config may start more


def recognise(document: Document) -> str | None:
    """`training` for a command or config file, `dataset`, or the name of what a support file holds."""
    if document.syntax == "shell":
        return "training" if calls(document) else None
    data = document.data
    if is_dataset(data):
        return "dataset"
    if document.syntax == "json":
        return "captions" if _captions(data) else None
    if _prompts(data):
        return "sample prompts"
    return _kind_of_file(data)


def _kind_of_file(data: dict[str, Any]) -> str | None:
    """`training`, or `finetune` for a file with options of `fine_tune.py`, `sdxl_train.py`... and no network."""
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= value if isinstance(value, dict) else {key: value}
    if _NOT_OURS & data.keys() or (isinstance(data.get("model"), dict) and "type" in data["model"]):
        return None
    module = flat.get("network_module")
    if isinstance(module, str) and module.startswith(("networks.", "lycoris")):
        return "training"
    strange = flat.keys() - file_table("").keys.keys()
    if len(_TYPICAL & flat.keys()) < 3 or ("pretrained_model_name_or_path" not in flat and len(strange) > 2):
        return None
    return "finetune" if _OF_FINE_TUNES & flat.keys() and not _OF_NETWORKS & flat.keys() else "training"


def _captions(data: Any) -> bool:
    """The metadata of a fine-tuning dataset: image paths with captions, tags and sizes."""
    entries = list(data.values()) if isinstance(data, dict) else []
    known = {"caption", "tags", "train_resolution"}
    return bool(entries) and all(isinstance(entry, dict) and known & entry.keys() for entry in entries)


def _prompts(data: dict[str, Any]) -> bool:
    """`[prompt]` with `[[prompt.subset]]`, or the concepts of the LECO scripts."""
    prompt, concepts = data.get("prompt"), data.get("prompts")
    if isinstance(prompt, dict) and isinstance(prompt.get("subset"), list):
        return True
    return isinstance(concepts, list) and all(isinstance(each, dict) and "target" in each for each in concepts)


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """One plan for each command of a script, or the one of a config file or dataset config; none of a support file."""
    if kind == "dataset":
        config = dataset_config(document)
        return (Plan(TRAINER, "dataset", config, datasets=datasets(config, None, reader)),)
    if document.syntax == "shell":
        return tuple(_command(document, call, reader) for call in calls(document))
    if kind != "training":
        return ()
    script = _script(flat_config(document, ""))
    return (training(flat_config(document, script), script, reader),)


def _command(document: Document, call: Call, reader: Reader) -> Plan:
    found = settings(document, call, reader)
    launch = launch_flags(document, call)
    devices = launch.get("num_processes").map(lambda text: int(text) if str(text).isdigit() else None)
    kind = kind_of(call.script)
    if kind == "training":
        plan = training(found.config, call.script or _script(found.config), reader, devices)
    else:
        data = _dataset_document(found.config, reader)
        files = (data,) if data else ()
        plan = Plan(TRAINER, kind, found.config, dataset_configs=files, datasets=_datasets(found.config, data, reader))
    named = (found.file, *plan.dataset_configs) if found.file is not None else plan.dataset_configs
    return plan._replace(script=call.script, dataset_configs=named, launch=launch)


def _script(config: Config) -> str:
    """Which script the settings are for, as far as they say so: by the module, the keys, the checkpoint's name."""
    named = _MODULES.get(str(config.get("network_module").value))
    named = named or _TRAINERS.get(str(config.get("model_train_type").value))
    told = next((script for key, script in _TELLING.items() if config.get(key).value), None)
    family = identify_name(str(config.get("pretrained_model_name_or_path").value or "")).family
    return named or told or _NAMED.get(family or "", "")


def training(
    config: Config,
    script: str,
    reader: Reader,
    processes: Setting[int] = ONE_PROCESS,
    prompts: list[dict[str, Any]] | None = None,
) -> Plan:
    """The plan of one run; `config` holds the settings under the script's own names.

    `prompts` are those of the previews, where they do not stand in a file.
    """
    prompts = prompts if prompts is not None else part.prompts(config, reader)
    declared = part.declared(config, script)
    model = part.component(config, ("pretrained_model_name_or_path",), reader, declared)
    family = declared.family or model.family
    data = _dataset_document(config, reader)
    entries = _datasets(config, data, reader)
    epochs = config.get("max_train_epochs")
    decided = epochs.value is not None or config.unread("max_train_epochs")
    steps = Setting[int]() if decided else config.get("max_train_steps")
    alone = config.get("network_train_unet_only")
    return Plan(
        TRAINER,
        "training",
        config,
        dataset_configs=(data,) if data else (),
        model=model,
        text_encoder=part.component(config, ("t5xxl",), reader) if family == "flux1" else Component(),
        vae=part.component(config, ("vae", "ae"), reader),
        network=part.network(config),
        optimizer=part.optimizer(config, steps, processes.value),
        precision=part.precision(config, family),
        timesteps=part.timesteps(config, family),
        validation=part.validation(config, family, prompts)._replace(held_out=_held_out(config, entries)),
        saving=part.saving(config, reader),
        steps=steps,
        epochs=epochs,
        batch_size=entries[0].batch_size if entries and data else config.get("train_batch_size"),
        accumulation=config.get("gradient_accumulation_steps"),
        processes=processes,
        seed=config.get("seed"),
        train_text_encoder=alone.map(lambda on: not on)._replace(rewrite=None),
        cache_latents=_either(config, "cache_latents", "cache_latents_to_disk"),
        cache_text=_either(config, "cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk"),
        prompt_tokens=part.prompt_tokens(config, family),
        datasets=entries,
    )


def _held_out(config: Config, entries: tuple[Dataset, ...]) -> Setting[Any]:
    """The split of the first dataset that has one; unknown where a dataset config can't be read."""
    splits = [data.find("validation_split") for data in entries] or [config.get("validation_split")]
    if not entries and config.get("dataset_config").value:
        return Setting()
    return next((split for split in splits if split.value), splits[0])


def _either(config: Config, *keys: str) -> Setting[bool]:
    """The first flag that is on; each of them switches caching on."""
    on = next((config.get(key) for key in keys if config.get(key).value), config.get(keys[0]))
    return on.map(bool)


def _dataset_document(config: Config, reader: Reader) -> Config | None:
    named = config.get("dataset_config")
    document = reader.document(named.value, part.beside(named, config)) if named.value else None
    return dataset_config(document) if document is not None and is_dataset(document.data) else None


def _datasets(config: Config, data: Config | None, reader: Reader) -> tuple[Dataset, ...]:
    """`dataset_config` rules out the folders (train_network.py: "ignoring the following options")."""
    if data is not None:
        return datasets(data, config, reader)
    if config.get("dataset_config").value:
        return ()
    if config.get("in_json").value:
        source = config.get("in_json").map(lambda _: "json")
        return (Dataset(config, "", folder=config.get("train_data_dir"), caption_source=source),)
    found = folders(config, "train_data_dir", reader)
    return balanced(found + folders(config, "reg_data_dir", reader, regularisation=True))
