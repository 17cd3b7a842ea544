"""diffusion-pipe: main TOML, dataset TOML, and the deepspeed launch line.

Keys are read with `config.get` where they are needed; there is no schema check, so whatever else stands in the file is
ignored. Source: tdrussell/diffusion-pipe@8f83dbf (train.py, utils/dataset.py, models/*.py).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.argv import flags
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import (
    UNKNOWN,
    Component,
    Dataset,
    Network,
    Optimizer,
    Plan,
    Precision,
    Saving,
    Timesteps,
    Validation,
)
from lora_doctor.setting import Config, KeyTable, Setting, key_table, key_tables
from lora_doctor.source.document import Document

TRAINER = "diffusion-pipe"
CONCEPTS = {
    "network.kind": "adapter.type",
    "network.rank": "adapter.rank",
    "network.alpha": "adapter.alpha",
    "network.dropout": "adapter.dropout",
    "network.dtype": "adapter.dtype",
    "network.weights": "adapter.init_from_existing",
    "optimizer.name": "optimizer.type",
    "optimizer.learning_rate": "optimizer.lr",
    "optimizer.weight_decay": "optimizer.weight_decay",
    "optimizer.scheduler": "lr_scheduler",
    "optimizer.warmup_steps": "warmup_steps",
    "optimizer.gradient_clip": "gradient_clipping",
    "precision.compute": "model.dtype",
    "precision.base": "model.diffusion_model_dtype",
    "precision.save": "save_dtype",
    "precision.gradient_checkpointing": "activation_checkpointing",
    "precision.blocks_to_swap": "blocks_to_swap",
    "timesteps.sampling": "model.timestep_sample_method",
    "timesteps.shift": "model.shift",
    "saving.folder": "output_dir",
    "saving.every_steps": "save_every_n_steps",
    "saving.every_epochs": "save_every_n_epochs",
    "saving.resume": "resume_from_checkpoint",
    "steps": "max_steps",
    "epochs": "epochs",
    "batch_size": "micro_batch_size_per_gpu",
    "accumulation": "gradient_accumulation_steps",
    "dataset.folder": "directory.*.path",
    "dataset.repeats": "directory.*.num_repeats",
    "dataset.resolution": "resolutions",
    "dataset.buckets": "enable_ar_bucket",
    "dataset.masks": "directory.*.mask_path",
    "dataset.control": "directory.*.control_path",
    "dataset.caption_dropout": "uncond_fraction",
    "dataset.shuffle_tags": "shuffle_tags",
}
DTYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "float8": "fp8", "float8_e4m3fn": "fp8",
          "float8_e5m2": "fp8"}
FAMILIES = {"flux2": "flux2", "flux": "flux1", "sdxl": "sdxl", "sd3": "sd3"}
ADAPTER_TABLES = {"adapter", "optimizer", "monitoring", "model"}


def recognise(document: Document) -> str | None:
    """`[model].type` from its list with a `dataset` makes a main config, `[[directory]]` with `path` a dataset."""
    if document.syntax == "shell":
        return "command" if any(_launch(document)) else None
    data = document.data
    directories = data.get("directory")
    if isinstance(directories, list) and any(isinstance(d, dict) and "path" in d for d in directories):
        return "dataset"
    model = data.get("model")
    if isinstance(model, dict) and (f"model:{model.get('type')}" in key_tables("diffusion_pipe")):
        return "training"
    tables = sum(isinstance(data.get(table), dict) for table in ("adapter", "optimizer", "model"))
    known = key_table("diffusion_pipe", "main").keys
    own = sum(key in known for key in data) - tables
    if tables >= 1 and own >= 3 and ("dataset" in data or "micro_batch_size_per_gpu" in data):
        return "training"
    if {"enable_ar_bucket", "num_ar_buckets"} & data.keys() and "resolutions" in data:
        return "dataset"
    return None


def _launch(document: Document) -> list[str]:
    """Configs named on `deepspeed ... train.py --deepspeed --config X.toml` lines."""
    found = []
    for command in document.commands:
        texts = [word.text for word in command.words]
        if "deepspeed" in [text.rpartition("/")[2] for text in texts] and any(t.endswith("train.py") for t in texts):
            found += [f.values[0].text for f in flags(command.words) if f.name == "config" and f.values]
    return found


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """A main config with its dataset configs, a dataset config alone, or the config a launch line names."""
    if kind == "command":
        named = (reader.document(name, document) for name in _launch(document))
        return tuple(_main(config, reader) for config in named if config is not None and config.syntax == "toml")
    if kind == "dataset":
        config = structured_config(document, key_table("diffusion_pipe", "dataset"))
        datasets = _datasets(config, Setting(), reader)
        return (Plan(TRAINER, "dataset", config, datasets=datasets),)
    return (_main(document, reader),)


def _table(document: Document) -> KeyTable:
    """The main keys with the `[model]` keys that this model type reads (of every type, where it is not known)."""
    model = document.data.get("model")
    kind = model.get("type") if isinstance(model, dict) else None
    main = key_table("diffusion_pipe", "main")
    names = [name for name in key_tables("diffusion_pipe") if name.startswith("model:")]
    chosen = [f"model:{kind}"] if f"model:{kind}" in names else names
    keys = {f"model.{key}": row for name in chosen for key, row in key_table("diffusion_pipe", name).keys.items()}
    return main._replace(keys=main.keys | keys)


def _main(document: Document, reader: Reader) -> Plan:
    config = structured_config(document, _table(document))
    get = config.get
    dataset = reader.document(get("dataset").value, document)
    data = structured_config(dataset, key_table("diffusion_pipe", "dataset")) if dataset else None
    return Plan(
        TRAINER,
        "training",
        config,
        dataset_configs=(data,) if data else (),
        model=_model(config, reader),
        text_encoder=_text_encoder(config, reader),
        vae=reader.component(get("model.vae"), document),
        network=_network(config),
        optimizer=_optimizer(config),
        precision=_precision(config),
        timesteps=_timesteps(config),
        validation=Validation(every_steps=get("eval_every_n_steps"), every_epochs=get("eval_every_n_epochs"),
                              held_out=get("eval_datasets")),
        saving=_saving(config),
        steps=get("max_steps"),
        epochs=get("epochs"),
        batch_size=get("micro_batch_size_per_gpu").map(_first_int),
        accumulation=get("gradient_accumulation_steps"),
        train_text_encoder=Setting(get("model.type").value == "sdxl", "default", "model.type", get("model.type").place),
        datasets=_datasets(data, get("micro_batch_size_per_gpu").map(_first_int), reader) if data else (),
    )


def _first_int(value: Any) -> int | None:
    """A batch size, or the first of `[[resolution, batch], ...]`."""
    if isinstance(value, list) and value and isinstance(value[0], list) and len(value[0]) == 2:
        value = value[0][1]
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _model(config: Config, reader: Reader) -> Component:
    kind = config.get("model.type").value
    family = FAMILIES.get(kind) if isinstance(kind, str) else None
    declared = UNKNOWN if family in (None, "flux2") else ModelIdentity(role="transformer", family=family)
    for key in ("diffusion_model", "transformer_path", "checkpoint_path", "diffusers_path", "ckpt_path"):
        if config.has(f"model.{key}"):
            component = reader.component(config.get(f"model.{key}"), config.document, declared)
            return component
    return Component(config.get("model.diffusion_model" if family == "flux2" else "model.type"), declared)


def _text_encoder(config: Config, reader: Reader) -> Component:
    for key in ("model.text_encoders.0.path", "model.text_encoders.0.paths.0", "model.text_encoder_path",
                "model.llm_path", "model.t5_path"):
        if config.has(key):
            return reader.component(config.get(key), config.document)
    paths = config.get("model.text_encoders.0.paths")
    if isinstance(paths.value, list) and paths.value:
        return reader.component(paths.map(lambda names: str(names[0])), config.document)
    return Component(config.get("model.text_encoders"))


def _network(config: Config) -> Network:
    """Alpha is always the rank (train.py, since 2024-12-10): the scale is 1."""
    if not config.has("adapter"):
        return Network(kind=Setting("full", "default", "adapter", config.anchor))
    return Network(
        kind=config.get("adapter.type"),
        rank=config.get("adapter.rank"),
        alpha=config.get("adapter.alpha"),
        scale=1.0,
        dropout=config.get("adapter.dropout"),
        targets=Setting(None),
        target_style="diffusion-pipe",
        weights=config.get("adapter.init_from_existing"),
        dtype=config.get("adapter.dtype", config.get("model.dtype").value).map(DTYPES.get),
    )


def _optimizer(config: Config) -> Optimizer:
    return Optimizer(
        name=config.get("optimizer.type"),
        learning_rate=config.get("optimizer.lr"),
        weight_decay=config.get("optimizer.weight_decay"),
        scheduler=config.get("lr_scheduler"),
        warmup_steps=config.get("warmup_steps"),
        gradient_clip=config.get("gradient_clipping"),
    )


def _precision(config: Config) -> Precision:
    base = next((key for key in ("model.diffusion_model_dtype", "model.transformer_dtype") if config.has(key)), "")
    return Precision(
        compute=config.get("model.dtype").map(DTYPES.get),
        base=config.get(base or "model.diffusion_model_dtype", config.get("model.dtype").value).map(DTYPES.get),
        save=config.get("save_dtype", config.get("model.dtype").value).map(DTYPES.get),
        gradient_checkpointing=config.get("activation_checkpointing").map(bool),
        blocks_to_swap=config.get("blocks_to_swap"),
    )


def _timesteps(config: Config) -> Timesteps:
    """`shift` wins over `flux_shift`, and 0 is no shift (models/flux2.py:162)."""
    return Timesteps(
        sampling=config.get("model.timestep_sample_method"),
        shift=config.get("model.shift"),
        prediction=config.get("model.v_pred").map(lambda v: "v" if v else "epsilon"),
        min_snr_gamma=config.get("model.min_snr_gamma"),
        guidance=config.get("model.guidance"),
    )


def _saving(config: Config) -> Saving:
    resumable = next((k for k in ("checkpoint_every_n_epochs", "checkpoint_every_n_minutes") if config.has(k)), "")
    return Saving(
        folder=config.get("output_dir"),
        every_steps=config.get("save_every_n_steps"),
        every_epochs=config.get("save_every_n_epochs"),
        keep=Setting(0, "default", "save_every_n_epochs", config.anchor),
        resumable=config.get(resumable).map(lambda _: True) if resumable else config.get("checkpoint_every_n_epochs"),
        resume=config.get("resume_from_checkpoint"),
    )


def _datasets(config: Config, batch: Setting[int], reader: Reader) -> tuple[Dataset, ...]:
    entries = [key for key in config.items("directory") if key.rpartition(".")[2].isdigit()]
    return tuple(_dataset(config, entry, batch, reader) for entry in entries)


def _dataset(config: Config, entry: str, batch: Setting[int], reader: Reader) -> Dataset:
    def get(key: str) -> Setting[Any]:
        """The directory's own value, else the file's (both levels accept these keys)."""
        return config.get(f"{entry}.{key}") if config.has(f"{entry}.{key}") else config.get(key)

    folder = config.get(f"{entry}.path")
    return Dataset(
        config,
        entry,
        folder=folder,
        control=config.get(f"{entry}.control_path"),
        masks=config.get(f"{entry}.mask_path"),
        repeats=get("num_repeats"),
        resolution=get("resolutions").map(_edges),
        buckets=get("enable_ar_bucket"),
        batch_size=batch,
        caption_source=Setting("files", "default", "caption", folder.place),
        caption_extension=Setting(".txt", "default", "caption", folder.place),
        shuffle_tags=get("shuffle_tags"),
        listing=reader.listing(folder, config.document),  # glob('*'): not recursive
    )


def _edges(value: Any) -> list[int] | None:
    """Edge lengths: an int, or the square root of `[width, height]`'s area."""
    if not isinstance(value, list):
        return None
    edges = []
    for item in value:
        if isinstance(item, int):
            edges.append(item)
        elif isinstance(item, list) and len(item) == 2 and all(isinstance(side, int) for side in item):
            edges.append(round((item[0] * item[1]) ** 0.5))
    return edges or None
