"""musubi-tuner: command lines of its training and caching scripts, `--config_file` and dataset configs.

Flags are argparse's and strict, the config file is neither checked nor converted, the dataset config is checked to the
letter. Source: kohya-ss/musubi-tuner@30c658c (see `musubi_command`, `musubi_plan`, `musubi_dataset`).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects import musubi_plan as part
from lora_doctor.dialects.musubi_command import Call, calls, file_table, flat_config, settings
from lora_doctor.dialects.musubi_dataset import dataset_config, datasets, is_dataset
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Component, Plan
from lora_doctor.setting import Config, Setting
from lora_doctor.source.document import Document

TRAINER = "musubi-tuner"
CONCEPTS = {
    "network.kind": "network_module",
    "network.rank": "network_dim",
    "network.alpha": "network_alpha",
    "network.dropout": "network_dropout",
    "network.weights": "network_weights",
    "optimizer.name": "optimizer_type",
    "optimizer.learning_rate": "learning_rate",
    "optimizer.scheduler": "lr_scheduler",
    "optimizer.warmup_steps": "lr_warmup_steps",
    "optimizer.gradient_clip": "max_grad_norm",
    "precision.compute": "mixed_precision",
    "precision.base": "fp8_base",
    "precision.text_encoder": "fp8_text_encoder",
    "precision.vae": "vae_dtype",
    "precision.save": "save_precision",
    "precision.gradient_checkpointing": "gradient_checkpointing",
    "precision.blocks_to_swap": "blocks_to_swap",
    "timesteps.sampling": "timestep_sampling",
    "timesteps.shift": "discrete_flow_shift",
    "timesteps.weighting": "weighting_scheme",
    "validation.prompts": "sample_prompts",
    "validation.every_steps": "sample_every_n_steps",
    "validation.every_epochs": "sample_every_n_epochs",
    "saving.folder": "output_dir",
    "saving.name": "output_name",
    "saving.every_steps": "save_every_n_steps",
    "saving.every_epochs": "save_every_n_epochs",
    "saving.resumable": "save_state",
    "saving.resume": "resume",
    "model": "dit",
    "text_encoder": "text_encoder",
    "vae": "vae",
    "steps": "max_train_steps",
    "epochs": "max_train_epochs",
    "accumulation": "gradient_accumulation_steps",
    "seed": "seed",
    "dataset.folder": "datasets.*.image_directory",
    "dataset.control": "datasets.*.control_directory",
    "dataset.repeats": "datasets.*.num_repeats",
    "dataset.resolution": "datasets.*.resolution",
    "dataset.buckets": "datasets.*.enable_bucket",
    "dataset.batch_size": "datasets.*.batch_size",
    "dataset.caption_extension": "datasets.*.caption_extension",
}
# A `--config_file` of musubi, and not of sd-scripts: its name for the transformer, or its own modules and options
_OWN = frozenset({"dit", "model_version", "fp8_scaled", "discrete_flow_shift", "timestep_sampling", "split_attn"})
_SHARED = frozenset({"network_module", "network_dim", "learning_rate", "optimizer_type", "output_name", "output_dir",
                     "dataset_config", "max_train_epochs", "max_train_steps"})  # fmt: skip
_MODULES = (
    "networks.lora_flux_2", "networks.lora_wan", "networks.lora_qwen_image", "networks.lora_zimage",
    "networks.lora_framepack", "networks.lora_hv_1_5", "networks.lora_kandinsky", "networks.lora_hidream_o1",
    "networks.lora_ideogram4", "networks.lora_krea2", "musubi_tuner.",
)  # fmt: skip


def recognise(document: Document) -> str | None:
    """`training` for a training command or config file, `caching` for caching commands alone, or `dataset`."""
    if document.syntax == "shell":
        found = calls(document)
        return None if not found else "training" if any(call.trains for call in found) else "caching"
    if is_dataset(document.data):
        return "dataset"
    return "training" if document.syntax == "toml" and _is_config_file(document.data) else None


def _is_config_file(data: Any) -> bool:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= value if isinstance(value, dict) else {key: value}
    module = flat.get("network_module")
    if isinstance(module, str) and module.startswith(_MODULES):
        return True
    return "dit" in flat and "pretrained_model_name_or_path" not in flat and len(_SHARED & flat.keys()) >= 2


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """One plan for each command of a script, or the one of a config file or dataset config."""
    if kind == "dataset":
        config = dataset_config(document)
        return (Plan(TRAINER, "dataset", config, datasets=datasets(config, reader)),)
    if document.syntax == "toml":
        script = _script(document)
        return (_training(flat_config(document, file_table(script)), script, None, reader),)
    plans: list[Plan] = []
    for call in calls(document):
        found = settings(document, call, reader)
        if call.trains:
            plan = _training(found.config, call.script, call, reader)
            earlier = tuple(p.config for p in plans if p.kind == "caching")
            known = call.complete and not found.config.open
            plan = plan._replace(script=call.script, prepared_by=earlier) if known else _partly(plan)
        else:
            plan = _caching(found.config, call, reader)
        if found.file is not None:
            plan = plan._replace(dataset_configs=(found.file, *plan.dataset_configs))
        plans.append(plan)
    return tuple(plans)


def _script(document: Document) -> str:
    """Which script a config file alone is for, as far as it says so."""
    config = flat_config(document, file_table("train_network.py"))
    own = str(config.sound("network_module").value).endswith("networks.lora_flux_2") or config.has("model_version")
    return "flux_2_train_network.py" if own else "train_network.py"


def _training(config: Config, script: str, call: Call | None, reader: Reader) -> Plan:
    architecture = call.architecture if call else "flux_2" if script.startswith("flux_2") else ""
    flux2, data = architecture == "flux_2", _data(config, reader)
    folders = datasets(data, reader) if data else ()
    epochs, devices = config.sound("max_train_epochs"), part.processes(config, call)
    decided = epochs.value is not None or config.unread("max_train_epochs")
    steps = Setting[int]() if decided else config.sound("max_train_steps")
    on = Setting(True, "default", "", config.anchor)  # there is no training without caches
    return Plan(
        TRAINER,
        "training",
        config,
        dataset_configs=(data,) if data else (),
        model=part.model(config, architecture, reader),
        text_encoder=part.component(config, "text_encoder", reader) if flux2 else Component(),
        vae=part.component(config, "vae", reader),
        network=part.network(config, call),
        optimizer=part.optimizer(config, steps, devices.value),
        precision=part.precision(config, call, flux2),
        timesteps=part.timesteps(config),
        validation=part.validation(config, flux2, reader),
        saving=part.saving(config),
        steps=steps,
        epochs=epochs,
        batch_size=folders[0].batch_size if folders else Setting(),
        accumulation=config.sound("gradient_accumulation_steps"),
        processes=devices,
        seed=config.sound("seed"),
        cache_latents=on,
        cache_text=on,
        prompt_tokens=Setting(512, "default", "", config.anchor) if flux2 else Setting(),
        datasets=folders,
    )


def _partly(plan: Plan) -> Plan:
    """The plan of a command of which not all can be read: nothing that is missing may be judged."""
    return plan._replace(saving=plan.saving._replace(never=False))


def _caching(config: Config, call: Call, reader: Reader) -> Plan:
    """A caching command: no run, but its files must be right for the run that follows."""
    data = _data(config, reader)
    return Plan(
        TRAINER,
        "caching",
        config,
        script=call.script,
        dataset_configs=(data,) if data else (),
        model=part.model(config, call.architecture, reader),
        text_encoder=part.component(config, "text_encoder", reader),
        vae=part.component(config, "vae", reader),
        datasets=datasets(data, reader) if data else (),
    )


def _data(config: Config, reader: Reader) -> Config | None:
    named = config.sound("dataset_config")
    document = reader.document(named.value, named.place.document if named.place else config.document)
    return dataset_config(document) if document is not None and is_dataset(document.data) else None
