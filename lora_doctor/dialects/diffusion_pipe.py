"""diffusion-pipe: main TOML, dataset TOML, and the deepspeed launch line.

Keys are read with `config.get` where they are needed; there is no schema check, so whatever else stands in the file is
ignored. Source: tdrussell/diffusion-pipe@8f83dbf (train.py, utils/saver.py, utils/dataset.py, models/*.py).
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.diffusion_pipe_dataset import batch_for, read_datasets
from lora_doctor.dialects.diffusion_pipe_launch import Launch, launches, replicas
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.structured import structured_config
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.models.optimizers import DECAYS, RATES
from lora_doctor.plan import (
    UNKNOWN,
    Component,
    Network,
    Optimizer,
    Plan,
    Precision,
    Saving,
    Timesteps,
    Validation,
)
from lora_doctor.setting import Config, Key, KeyTable, Setting, key_table, key_tables
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
    "timesteps.min_snr_gamma": "model.min_snr_gamma",
    "timesteps.guidance": "model.guidance",
    "validation.every_steps": "eval_every_n_steps",
    "validation.every_epochs": "eval_every_n_epochs",
    "validation.held_out": "eval_datasets",
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
DTYPES = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
    "float8": "fp8",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
}
# `flux2` holds dev and both Kleins: its file says which (models/flux2.py:34 reads the width of `img_in`).
FAMILIES = {
    "flux": "flux1",
    "sdxl": "sdxl",
    "sd3": "sd3",
    "chroma": "chroma",
    "z_image": "z-image",
    "qwen_image": "qwen-image",
    "wan": "wan",
    "hunyuan-video": "hunyuan",
    "hunyuan_video_15": "hunyuan",
    "hunyuan_image": "hunyuan",
    "hidream": "hidream",
    "lumina_2": "lumina",
    "auraflow": "auraflow",
    "omnigen2": "omnigen",
    "cosmos": "cosmos",
    "cosmos_predict2": "cosmos",
    "anima": "anima",
    "krea2": "krea2",
    "ideogram4": "ideogram",
    "ernie_image": "ernie-image",
    "ltx-video": "ltx",
    "ltx2": "ltx",
    "minimax_h3": "minimax",
}
MODEL_FILES = (
    "diffusion_model",
    "transformer_path",
    "checkpoint_path",
    "single_file_path",
    "ckpt_path",
    "diffusers_path",
)
ENCODER_FILES = (
    "text_encoders.0.path",
    "text_encoders.0.paths",
    "text_encoder",
    "text_encoder_path",
    "llm_path",
    "t5_path",
)
# Words of older versions, of the example file, and of other model types; used where the one beside it is read.
RENAMED = {
    "image_eval_micro_batch_size_per_gpu": "eval_image_micro_batch_size_per_gpu",
    "pseudo_huber_c": "huber_delta",
    "model.transformer_dtype": "model.diffusion_model_dtype",
    "model.diffusion_model_dtype": "model.transformer_dtype",
    "model.transformer_path": "model.diffusion_model",
    "model.diffusion_model": "model.transformer_path",
    "model.vae_path": "model.vae",
    "model.vae": "model.vae_path",
}
# Main keys that a model type or adapter type never looks at (train.py:120-129; get_loss_fn and _add_adapter of each).
UNREAD_WITH = {
    "lora": ("adapter.decompose_factor", "adapter.rank_dropout"),
    "lokr": ("adapter.dropout",),
    "sdxl": ("huber_delta", "smooth_l1_beta", "adapter.exclude_modules"),
    "cosmos": ("huber_delta", "smooth_l1_beta"),
    "ltx-video": ("huber_delta", "smooth_l1_beta"),
}
PROMPT_TOKENS = {"flux2": 512, "flux": 512, "chroma": 512, "lumina_2": 256}  # sdxl reads captions of any length


def recognise(document: Document) -> str | None:
    """`[model].type` from its list with a `dataset` makes a main config, `[[directory]]` with `path` a dataset."""
    if document.syntax == "shell":
        return "command" if any(launches(document)) else None
    data = document.data
    directories = data.get("directory")
    if isinstance(directories, list) and any(isinstance(d, dict) and "path" in d for d in directories):
        return "dataset"
    model = data.get("model")
    known = key_table("diffusion_pipe", "main").keys
    own = sum(key in known for key in data if not isinstance(data[key], dict))
    if isinstance(model, dict) and f"model:{model.get('type')}" in key_tables("diffusion_pipe"):
        reads = key_table("diffusion_pipe", f"model:{model['type']}").keys  # other programs have a [model].type too
        if own >= 2 or ("dtype" in model and 2 * sum(key in reads for key in model) > len(model)):
            return "training"
    tables = any(isinstance(data.get(table), dict) for table in ("adapter", "optimizer", "model"))
    if tables and own >= 3 and ("dataset" in data or "micro_batch_size_per_gpu" in data):
        return "training"
    if {"enable_ar_bucket", "num_ar_buckets"} & data.keys() and {"resolutions", "size_buckets"} & data.keys():
        return "dataset"
    return None


def read(document: Document, kind: str, reader: Reader) -> tuple[Plan, ...]:
    """A main config with its dataset configs, a dataset config alone, or the config a launch line names."""
    if kind == "command":
        named = ((launch, reader.document(launch.config, document)) for launch in launches(document))
        return tuple(_main(config, reader, launch) for launch, config in named if config and config.syntax == "toml")
    if kind == "dataset":
        config = structured_config(document, key_table("diffusion_pipe", "dataset"))
        return (Plan(TRAINER, "dataset", config, datasets=read_datasets(config, Setting(), Setting(), reader)),)
    return (_main(document, reader),)


def _table(document: Document) -> KeyTable:
    """The main keys with the `[model]` keys that this model type reads (of every type, where it is not known)."""
    model, adapter = document.data.get("model"), document.data.get("adapter")
    kind = model.get("type") if isinstance(model, dict) else None
    adapter_kind = adapter.get("type") if isinstance(adapter, dict) else None
    main = key_table("diffusion_pipe", "main")
    names = [name for name in key_tables("diffusion_pipe") if name.startswith("model:")]
    chosen = [f"model:{kind}"] if f"model:{kind}" in names else names
    keys = {f"model.{key}": row for name in chosen for key, row in key_table("diffusion_pipe", name).keys.items()}
    if len(chosen) > 1:  # what one type requires, another does not know
        keys = {key: row._replace(required=key in ("model.type", "model.dtype")) for key, row in keys.items()}
        keys["model.type"] = Key("str", None, tuple(name.partition(":")[2] for name in names), True)
    if adapter_kind == "lokr":  # a rank of 1e6 means full matrices there
        keys["adapter.rank"] = Key("int|float", required=True)
    if "max_steps" in document.data and document.data.get("lr_scheduler", "constant") == "constant":
        keys["epochs"] = Key("int")  # read at the end of an epoch only, which the steps may come before
    unread = {*UNREAD_WITH.get(str(kind), ()), *UNREAD_WITH.get(str(adapter_kind), ())}
    if len(chosen) == 1 and kind not in ("flux", "chroma"):
        unread |= {"adapter.fuse_adapters", "adapter.fuse_adapters.**"}
    read_keys = {key: row for key, row in (main.keys | keys).items() if key not in unread}
    return main._replace(keys=read_keys, renamed=RENAMED)


def _main(document: Document, reader: Reader, launch: Launch | None = None) -> Plan:
    config = structured_config(document, _table(document))
    get = config.get
    data = _follow(get("dataset").value, document, reader)
    evaluation = [_follow(item, document, reader) for item in _evaluated(get("eval_datasets").value)]
    batch = get(
        "image_micro_batch_size_per_gpu" if config.has("image_micro_batch_size_per_gpu") else "micro_batch_size_per_gpu"
    )  # images: dataset.py:357
    datasets = read_datasets(data, batch, get("uncond_fraction"), reader) if data else ()
    sizes = [d.batch_size for d in datasets] or [batch.map(lambda value: batch_for(value, None))]
    flags = launch.flags if launch else None
    return Plan(
        TRAINER,
        "training",
        config,
        dataset_configs=tuple(found for found in (data, *evaluation) if found),
        launch=flags,
        model=_model(config, reader),
        text_encoder=_text_encoder(config, reader),
        vae=reader.component(get("model.vae" if config.has("model.vae") else "model.vae_path"), document),
        network=_network(config),
        optimizer=_optimizer(config),
        precision=_precision(config),
        timesteps=_timesteps(config),
        validation=Validation(
            every_steps=get("eval_every_n_steps"),
            every_epochs=get("eval_every_n_epochs"),
            held_out=get("eval_datasets"),
        ),
        saving=_saving(config, flags, sizes[0].value),
        steps=get("max_steps"),
        epochs=get("epochs"),
        batch_size=sizes[0] if len({size.value for size in sizes}) == 1 else sizes[0]._replace(value=None),
        accumulation=get("gradient_accumulation_steps"),
        processes=replicas(flags, get("pipeline_stages").value) if flags else Setting(),
        train_text_encoder=_trains_text_encoder(config),
        cache_latents=_fixed(config, True),
        cache_text=_fixed(config, False) if _kind(config) == "sdxl" else get("model.cache_text_embeddings", True),
        prompt_tokens=_fixed(config, PROMPT_TOKENS.get(_kind(config))),
        datasets=datasets,
    )


def _kind(config: Config) -> str:
    kind = config.get("model.type").value
    return kind if isinstance(kind, str) else ""


def _fixed(config: Config, value: Any) -> Setting[Any]:
    """What this model type does whatever the config says."""
    setting = config.get("model.type")
    origin = "unknown" if value is None else "default"
    return Setting(value, origin, "model.type", setting.place)


def _follow(reference: object, document: Document, reader: Reader) -> Config | None:
    found = reader.document(reference, document)
    if found is None or found.syntax != "toml":
        return None
    return structured_config(found, key_table("diffusion_pipe", "dataset"))


def _evaluated(value: Any) -> list[Any]:
    """The dataset configs that `eval_datasets` names."""
    items = value if isinstance(value, list) else []
    return [item.get("config") if isinstance(item, dict) else item for item in items]


def _model(config: Config, reader: Reader) -> Component:
    family = FAMILIES.get(_kind(config))
    declared = ModelIdentity(role="transformer", family=family) if family else UNKNOWN
    for key in MODEL_FILES:
        if config.has(f"model.{key}") and config.table.find(f"model.{key}"):
            return reader.component(config.get(f"model.{key}"), config.document, declared)
    return Component(config.get("model.diffusion_model" if not family else "model.type"), declared)


def _text_encoder(config: Config, reader: Reader) -> Component:
    for key in ENCODER_FILES:
        if config.has(f"model.{key}"):
            named = config.get(f"model.{key}")
            setting = named.map(lambda value: value[0] if isinstance(value, list) and value else value)
            return reader.component(setting, config.document)
    return Component(config.get("model.text_encoders"))


def _network(config: Config) -> Network:
    """Alpha is always the rank (train.py:113-118): the scale is 1. Without the table every weight is trained."""
    if not config.has("adapter"):
        return Network(kind=Setting("full", "default", "adapter", config.anchor))
    lokr = config.get("adapter.type").value == "lokr"
    return Network(
        kind=config.get("adapter.type"),
        rank=config.get("adapter.rank"),
        alpha=config.get("adapter.alpha", config.get("adapter.rank").value),
        scale=1.0,
        dropout=config.get("adapter.rank_dropout" if lokr else "adapter.dropout"),
        excluded=config.get("adapter.exclude_modules") if _kind(config) != "sdxl" else Setting(),
        weights=config.get("adapter.init_from_existing"),
        dtype=config.get("adapter.dtype", config.get("model.dtype").value).map(_dtype),
    )


def _optimizer(config: Config) -> Optimizer:
    """`force_constant_lr` overrules every rate, the schedule and the warm-up (train.py:893)."""
    name = str(config.get("optimizer.type").value or "").lower()
    forced = config.get("force_constant_lr")
    rate = config.get("optimizer.lr", RATES.get(name))
    encoder: Setting[float] = Setting()
    if _kind(config) == "sdxl":  # models/sdxl.py:614: what is not set takes the optimiser's rate
        encoder = config.get("model.text_encoder_1_lr", rate.value)
        rate = config.get("model.unet_lr") if config.has("model.unet_lr") else rate
    release = config.get("optimizer.gradient_release")
    return Optimizer(
        name=config.get("optimizer.type"),
        learning_rate=forced if forced.written else rate,
        text_encoder_learning_rate=forced if forced.written and encoder.place else encoder,
        weight_decay=config.get("optimizer.weight_decay", DECAYS.get(name)),
        scheduler=forced.map(lambda _: "constant") if forced.written else config.get("lr_scheduler"),
        warmup_steps=forced.map(lambda _: 0) if forced.written else config.get("warmup_steps"),
        gradient_clip=release.map(lambda _: 0.0) if release.value is True else config.get("gradient_clipping"),
    )


def _precision(config: Config) -> Precision:
    dtype = config.get("model.dtype").value
    key = next((k for k in ("model.diffusion_model_dtype", "model.transformer_dtype") if config.table.find(k)), "")
    adapter = config.get("adapter.dtype", dtype).value
    return Precision(
        compute=config.get("model.dtype").map(_dtype),
        base=(config.get(key, dtype) if key else config.get("model.dtype")).map(_dtype),
        vae=_fixed(config, "fp32" if _kind(config) == "sdxl" else None),  # upcast_vae, models/sdxl.py:401
        save=config.get("save_dtype", adapter).map(_dtype),
        gradient_checkpointing=config.get("activation_checkpointing").map(bool),
        blocks_to_swap=config.get("blocks_to_swap"),
    )


def _timesteps(config: Config) -> Timesteps:
    """`shift` wins over `flux_shift`, and 0 is no shift (models/flux2.py:162)."""
    if _kind(config) == "sdxl":  # models/sdxl.py:558, 388
        return Timesteps(
            sampling=_fixed(config, "uniform"),
            prediction=config.get("model.v_pred").map(lambda v: "v" if v else "epsilon"),
            zero_terminal_snr=config.get("model.v_pred").map(bool),
            min_snr_gamma=config.get("model.min_snr_gamma"),
        )
    return Timesteps(
        sampling=config.get("model.timestep_sample_method"),
        shift=config.get("model.shift"),
        prediction=_fixed(config, "flow"),
        guidance=config.get("model.guidance"),
    )


def _trains_text_encoder(config: Config) -> Setting[bool]:
    """SDXL always carries its text encoders along; only a rate of 0 keeps them as they are (models/sdxl.py:436)."""
    if _kind(config) != "sdxl":
        return _fixed(config, False)
    rates = [config.get(f"model.text_encoder_{n}_lr") for n in (1, 2)]
    still = all(rate.written and rate.value == 0 for rate in rates)
    return rates[0].map(lambda _: False) if still else _fixed(config, True)


def _dtype(value: Any) -> str | None:
    return DTYPES.get(value) if isinstance(value, str) else None


def _saving(config: Config, flags: Config | None, batch: int | None) -> Saving:
    """Everything is kept; `--resume_from_checkpoint` overrules the config's key (train.py:299)."""
    steps = config.get("save_every_n_steps")
    examples = config.get("save_every_n_examples")
    accumulation = config.get("gradient_accumulation_steps").value
    if isinstance(examples.value, int) and isinstance(accumulation, int) and batch and not steps.written:
        whole = batch * accumulation  # train.py:643
        steps = examples.map(lambda number: number // whole if whole > 0 else None)
    resumable = next((k for k in ("checkpoint_every_n_epochs", "checkpoint_every_n_minutes") if config.has(k)), "")
    return Saving(
        folder=config.get("output_dir"),
        every_steps=steps,
        every_epochs=config.get("save_every_n_epochs"),
        keep=Setting(0, "default", "save_every_n_epochs", config.anchor),
        resumable=config.get(resumable).map(lambda _: True) if resumable else config.get("checkpoint_every_n_epochs"),
        resume=(flags if flags and flags.has("resume_from_checkpoint") else config).get("resume_from_checkpoint"),
    )
