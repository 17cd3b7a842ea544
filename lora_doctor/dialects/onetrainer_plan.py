"""The parts of a OneTrainer run in the vocabulary of a Plan.

Source: Nerogar/OneTrainer@23df3832 modules/util/create.py, modules/trainer/GenericTrainer.py,
modules/module/LoRAModule.py, modules/util/NamedParameterGroup.py, modules/util/enum/ModelType.py.
"""

from __future__ import annotations

import re
from typing import Any

from lora_doctor.dialects.onetrainer_config import usable
from lora_doctor.dialects.reader import Reader
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.plan import UNKNOWN, Component, Network, Optimizer, Precision, Saving, Timesteps
from lora_doctor.setting import Config, Setting

FAMILIES = {
    "STABLE_DIFFUSION_XL_10_BASE": ("sdxl", None),
    "STABLE_DIFFUSION_XL_10_BASE_INPAINTING": ("sdxl", "inpaint"),
    "STABLE_DIFFUSION_15": ("sd15", None),
    "STABLE_DIFFUSION_15_INPAINTING": ("sd15", "inpaint"),
    "STABLE_DIFFUSION_20": ("sd2", None),
    "STABLE_DIFFUSION_20_BASE": ("sd2", "base"),
    "STABLE_DIFFUSION_20_INPAINTING": ("sd2", "inpaint"),
    "STABLE_DIFFUSION_20_DEPTH": ("sd2", "depth"),
    "STABLE_DIFFUSION_21": ("sd2", None),
    "STABLE_DIFFUSION_21_BASE": ("sd2", "base"),
    "STABLE_DIFFUSION_3": ("sd3", None),
    "STABLE_DIFFUSION_35": ("sd3", None),
    "FLUX_DEV_1": ("flux1", None),
    "FLUX_FILL_DEV_1": ("flux1", "fill"),
    "SANA": ("sana", None),
    "CHROMA_1": ("chroma", None),
    "QWEN": ("qwen-image", None),
    "Z_IMAGE": ("z-image", None),
    "KREA_2": ("krea2", None),
    "ANIMA": ("anima", None),
    "ERNIE": ("ernie-image", None),
    "IDEOGRAM_4": ("ideogram", None),
    "HI_DREAM_FULL": ("hidream", None),
    "HUNYUAN_VIDEO": ("hunyuan", None),
    "PIXART_ALPHA": ("pixart", None),
    "PIXART_SIGMA": ("pixart", None),
}  # fmt: skip  FLUX_2 is Klein or dev, by the weights
UNETS = ("STABLE_DIFFUSION_15", "STABLE_DIFFUSION_2", "STABLE_DIFFUSION_XL")
CASCADES = ("STABLE_CASCADE_1", "WUERSTCHEN_2")
# these train no text encoder (their LoRA setups build an adapter for the transformer only)
FROZEN_TEXT = ("FLUX_2", "ANIMA", "ERNIE", "IDEOGRAM_4", "KREA_2", "Z_IMAGE")
ENCODERS = {"STABLE_DIFFUSION_XL": 2, "STABLE_DIFFUSION_3": 3, "FLUX_": 2, "HUNYUAN_VIDEO": 2, "HI_DREAM_FULL": 4}
DTYPES = {
    "FLOAT_8": "fp8", "FLOAT_W8A8": "fp8", "FLOAT_W8A8_COMPRESSED": "fp8", "FLOAT_16": "fp16", "FLOAT_32": "fp32",
    "TFLOAT_32": "fp32", "BFLOAT_16": "bf16", "INT_8": "int8", "INT_W8A8": "int8", "INT_W8A8_COMPRESSED": "int8",
    "NFLOAT_4": "nf4", "GGUF": "gguf", "GGUF_A8_FLOAT": "gguf", "GGUF_A8_INT": "gguf",
}  # fmt: skip
KINDS = {"LORA": "lora", "LOHA": "loha", "OFT_2": "oft", "LOKR": "lokr"}
DECAY = {"ADAMW": 0.01, "ADAMW_8BIT": 0.01, "AdEMAMix": 0.01, "AdEMAMix_8BIT": 0.01, "SCHEDULE_FREE_ADAMW": 0.01,
         "DADAPT_ADAN": 0.02}  # fmt: skip
SCHEDULE_FREE = ("SCHEDULE_FREE_ADAMW", "SCHEDULE_FREE_SGD", "PRODIGY_PLUS_SCHEDULE_FREE")
SAMPLING = {"LOGIT_NORMAL": "logit_normal", "UNIFORM": "uniform"}
TOKENS = {"STABLE_DIFFUSION_": 77, "SANA": 300, "PIXART_": 120}


def denoiser(config: Config) -> str:
    """The config table of the model that is trained: `unet`, `prior` or `transformer`."""
    kind = str(config.get("model_type").value)
    return "prior" if kind in CASCADES else "unet" if kind.startswith(UNETS) else "transformer"


def model(config: Config, reader: Reader) -> Component:
    """`base_model_name`, or the single file that replaces its transformer."""
    own = usable(config, f"{denoiser(config)}.model_name")
    setting = own if own.value else config.get("base_model_name")
    family, variant = FAMILIES.get(str(usable(config, "model_type").value), (None, None))
    declared = ModelIdentity(role="transformer", family=family, variant=variant) if family else UNKNOWN
    return reader.component(setting, setting.place.document if setting.place else config.document, declared)


def network(config: Config) -> Network:
    """Alpha over rank, 1 / 16 by default; alpha 0 is no special case here and leaves an adapter that does nothing."""
    method, peft = usable(config, "training_method"), usable(config, "peft_type")
    if method.value != "LORA":
        full = "textual-inversion" if method.value == "EMBEDDING" else "full"
        return Network(kind=method.map(lambda _: full))
    decompose = usable(config, "lora_decompose").value is True
    kind = "dora" if peft.value == "LORA" and decompose else KINDS.get(str(peft.value), "lora")
    rank = usable(config, "lokr_dim" if kind == "lokr" else "lora_rank") if kind != "oft" else Setting[int]()
    alpha = usable(config, "lora_alpha") if kind != "oft" else Setting[float]()
    scale = alpha.value / rank.value if rank.value and alpha.value is not None else None
    if kind == "lokr" and usable(config, "lokr_full_matrix").value is True:
        scale = 1.0
    return Network(
        kind=peft.map(lambda _: kind),
        rank=rank,
        alpha=alpha,
        scale=scale,
        dropout=usable(config, "dropout_probability"),
        targets=_targets(config),
        weights=usable(config, "lora_model_name").map(lambda name: name or None),
        dtype=_adapter_dtype(config),
    )


def _targets(config: Config) -> Setting[Any]:
    """Comma-separated parts of module names (or regular expressions), found anywhere in the name."""
    written, regex = usable(config, "layer_filter"), usable(config, "layer_filter_regex").value is True

    def whole(text: str) -> str | None:
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            return None  # an empty part matches every layer
        return ".*(?:" + "|".join(part if regex else re.escape(part) for part in parts) + ").*"

    return written.map(lambda text: whole(str(text)))


def _adapter_dtype(config: Config) -> Setting[str]:
    """bf16 with stochastic rounding (on unless switched off) loses no update on average: no number to judge by."""
    dtype = usable(config, "lora_weight_dtype").map(DTYPES.get)
    rounded = usable(config, "optimizer.stochastic_rounding").value is not False
    return dtype.map(lambda name: None if name == "bf16" and rounded else name)


def optimizer(config: Config, steps: float | None) -> Optimizer:
    """A part's own learning rate wins; the scaler multiplies by the root of the batch. Steps count batches."""
    name, batch = usable(config, "optimizer.optimizer"), usable(config, "batch_size").value or 1
    accumulation = usable(config, "gradient_accumulation_steps").value or 1
    scaler = str(usable(config, "learning_rate_scaler").value)
    factor = (batch if scaler in ("BATCH", "BOTH", "GLOBAL_BATCH", "GLOBAL_BOTH") else 1) * (
        accumulation if scaler in ("GRADIENT_ACCUMULATION", "BOTH", "GLOBAL_BOTH") else 1
    )
    free = name.value in SCHEDULE_FREE
    schedule = usable(config, "learning_rate_scheduler")
    decay = usable(config, "optimizer.weight_decay", DECAY.get(str(name.value), 0.0))
    return Optimizer(
        name=name,
        learning_rate=_rate(config, denoiser(config)).map(lambda rate: rate * factor**0.5),
        text_encoder_learning_rate=_rate(config, "text_encoder") if trains_text(config).value else Setting(),
        weight_decay=decay if decay.value is not None else decay._replace(value=DECAY.get(str(name.value), 0.0)),
        scheduler=schedule.map(lambda word: "constant" if free else str(word).lower()),
        warmup_steps=usable(config, "learning_rate_warmup_steps").map(
            lambda value: 0.0 if free or value <= 0 else _warmup(value, accumulation, steps)
        ),
        gradient_clip=usable(config, "clip_grad_norm"),
        ema=usable(config, "ema").map(lambda mode: mode != "OFF"),
    )


def _rate(config: Config, part: str) -> Setting[float]:
    own = usable(config, f"{part}.learning_rate")
    return own if isinstance(own.value, (int, float)) else usable(config, "learning_rate")


def _warmup(value: float, accumulation: int, steps: float | None) -> float | None:
    """Above 1 it counts batches, up to 1 it is a share of the run (create.py `create_lr_scheduler`)."""
    return float(int(value / accumulation)) if value > 1 else value * steps if steps else None


def trains_text(config: Config) -> Setting[bool]:
    """Whether a text encoder gets an adapter; unknown where the model type has no way to train one."""
    kind = str(usable(config, "model_type").value)
    if kind in FROZEN_TEXT or usable(config, "training_method").value not in ("LORA", "FINE_TUNE"):
        return Setting()
    count = next((n for start, n in ENCODERS.items() if kind.startswith(start)), 1)
    parts = ["text_encoder", *(f"text_encoder_{n}" for n in range(2, count + 1))]
    switches = [usable(config, f"{part}.train") for part in parts]
    return next((switch for switch in switches if switch.value is True), switches[0])


def needs_text_encoder(config: Config) -> bool:
    """Whether captions are encoded anew at every step: a text encoder or an embedding is trained."""
    embedding = usable(config, "training_method").value == "EMBEDDING" or usable(config, "additional_embeddings").value
    return bool(embedding) or trains_text(config).value is True


def precision(config: Config) -> Precision:
    """Every part has its own storage format; `train_dtype` is that of the autocast."""
    part = denoiser(config)
    return Precision(
        compute=usable(config, "train_dtype").map(DTYPES.get),
        base=usable(config, f"{part}.weight_dtype").map(DTYPES.get),
        text_encoder=usable(config, "text_encoder.weight_dtype").map(DTYPES.get),
        vae=usable(config, "vae.weight_dtype").map(DTYPES.get),
        save=usable(config, "output_dtype").map(DTYPES.get),
        gradient_checkpointing=usable(config, f"{part}.gradient_checkpointing"),
    )


def timesteps(config: Config) -> Timesteps:
    """`dynamic_timestep_shifting` takes the model's own shift for each resolution instead of `timestep_shift`."""
    kind = str(usable(config, "model_type").value)
    flow = not kind.startswith(("STABLE_DIFFUSION_1", "STABLE_DIFFUSION_2", "STABLE_DIFFUSION_XL", "PIXART", *CASCADES))
    forced = next((word for word, key in (("v", "force_v_prediction"), ("epsilon", "force_epsilon_prediction"))
                   if usable(config, key).value is True), None)  # fmt: skip
    weighting = usable(config, "loss_weight_fn")
    snr = usable(config, "loss_weight_strength") if weighting.value == "MIN_SNR_GAMMA" else Setting[float]()
    dynamic = usable(config, "dynamic_timestep_shifting").value is True
    key = "force_v_prediction" if forced == "v" else "force_epsilon_prediction" if forced else "model_type"
    word = "flow" if flow else forced
    return Timesteps(
        sampling=usable(config, "timestep_distribution").map(lambda name: SAMPLING.get(str(name), str(name).lower())),
        shift=Setting() if dynamic else usable(config, "timestep_shift"),
        weighting=weighting.map(lambda name: str(name).lower()),
        prediction=usable(config, key).map(lambda _: word),
        zero_terminal_snr=usable(config, "rescale_noise_scheduler_to_zero_terminal_snr"),
        min_snr_gamma=snr,
        noise_offset=usable(config, "offset_noise_weight"),
        guidance=usable(config, "transformer.guidance_scale") if kind == "FLUX_DEV_1" else Setting(),
    )


def saving(config: Config) -> Saving:
    """Saves count batches or epochs, or go by the clock; backups hold the adapter too."""
    unit, every = usable(config, "save_every_unit"), usable(config, "save_every")
    accumulation = usable(config, "gradient_accumulation_steps").value or 1
    backups = _happens(config, "backup_after")
    steps = every.map(lambda n: max(1, int(n / accumulation)) if n else None)
    steps = steps if unit.value == "STEP" else Setting()
    never = not _happens(config, "save_every")
    return Saving(
        folder=usable(config, "workspace_dir"),
        name=usable(config, "output_model_destination"),
        every_steps=unit._replace(value=None, origin="unknown") if never else steps,
        every_epochs=every.map(lambda n: int(n) or None) if unit.value == "EPOCH" else Setting(),
        keep=Setting(0, "default", every.key, every.place),
        resumable=usable(config, "backup_after_unit").map(lambda _: backups),
        resume=usable(config, "continue_last_backup").map(lambda on: on or None),
        never=never and not backups,
    )


def _happens(config: Config, key: str) -> bool:
    """Whether a repeated action comes at all: NEVER does not, nor do 0 epochs or steps."""
    unit = usable(config, f"{key}_unit").value
    return unit != "NEVER" and not (unit in ("EPOCH", "STEP") and not int(usable(config, key).value or 0))


def prompt_tokens(config: Config) -> Setting[int]:
    """How much of a caption the longest encoder reads."""
    kind = str(usable(config, "model_type").value)
    if kind == "FLUX_2":
        return usable(config, "text_encoder_sequence_length")
    if kind.startswith("FLUX_"):
        return usable(config, "text_encoder_2_sequence_length")
    known = next((n for start, n in TOKENS.items() if kind.startswith(start)), None)
    return usable(config, "model_type").map(lambda _: known)
