"""SimpleTuner's config.env: shell assignments that stand for options.

Only the variables named here are passed on, `TRAINER_EXTRA_ARGS` is appended as it is, and whatever else the file
sets is for the shell (helpers/configuration/env_file.py, bghira/SimpleTuner@bc8e6ab). `true` becomes a bare flag,
`false` is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lora_doctor.dialects.argv import flags
from lora_doctor.dialects.simpletuner_settings import KEYS, canonical, settle
from lora_doctor.finding import Place
from lora_doctor.setting import Config, Setting, key_table
from lora_doctor.source.document import Document, Entry, Span, Word
from lora_doctor.source.edit import Edit, replace_value, spell

EXTRA = "TRAINER_EXTRA_ARGS"
# Variables with the option's own name in capitals.
_SAME = """
ACCELERATE_EXTRA_ARGS ALLOW_TF32 ASPECT_BUCKET_ROUNDING AWS_MAX_POOL_CONNECTIONS BASE_MODEL_PRECISION
CAPTION_DROPOUT_PROBABILITY CHECKPOINT_EPOCH_INTERVAL CHECKPOINT_STEP_INTERVAL DISABLE_BENCHMARK
ENABLE_CHUNKED_FEED_FORWARD FEED_FORWARD_CHUNK_SIZE FLUX_GUIDANCE_VALUE FLUX_LORA_TARGET GRADIENT_ACCUMULATION_STEPS
GRADIENT_CHECKPOINTING_OFFLOAD_ATTENTION GRADIENT_CHECKPOINTING_OFFLOAD_PREFETCH
GRADIENT_CHECKPOINTING_OFFLOAD_PIN_MEMORY_MAX_BUCKETS GRADIENT_CHECKPOINTING_SEGMENT_STRIDE
IMAGE_PROCESSING_BATCH_SIZE INFERENCE_SCHEDULER_TIMESTEP_SPACING LEARNING_RATE LORA_TYPE LR_END LR_WARMUP_STEPS
LYCORIS_CONFIG METADATA_UPDATE_INTERVAL MIXED_PRECISION MODEL_CARD_SAFE_FOR_WORK MODEL_FAMILY MODEL_TYPE OPTIMIZER
OUTPUT_DIR POST_CHECKPOINT_SCRIPT POST_UPLOAD_SCRIPT PUBLISHING_CONFIG PUSH_TO_HUB PUSH_TO_HUB_BACKGROUND
QUANTIZATION_CONFIG QUANTIZE_VIA QWEN_TEXT_ENCODER_MODEL_NAME_OR_PATH READ_BATCH_SIZE RESOLUTION RESOLUTION_TYPE
TEXT_CACHE_DISABLE TEXT_CACHE_ONDEMAND TEXT_ENCODER_BATCH_SIZE TORCH_NUM_THREADS TRACKER_PROJECT_NAME TRACKER_RUN_NAME
TRAINING_SCHEDULER_TIMESTEP_SPACING TRAIN_BATCH_SIZE USE_DORA USE_EMA VALIDATE_AFTER_EPOCH VALIDATE_AFTER_STEP
VALIDATION_EPOCH_INTERVAL VALIDATION_EXTERNAL_BACKGROUND VALIDATION_EXTERNAL_SCRIPT VALIDATION_GUIDANCE
VALIDATION_GUIDANCE_REAL VALIDATION_GUIDANCE_RESCALE VALIDATION_INPUT VALIDATION_METHOD VALIDATION_NEGATIVE_PROMPT
VALIDATION_NO_CFG_UNTIL_TIMESTEP VALIDATION_NUM_INFERENCE_STEPS VALIDATION_PROMPT VALIDATION_RESOLUTION
VALIDATION_SEED VALIDATION_STEP_INTERVAL WAN_VALIDATION_LOAD_OTHER_STAGE WRITE_BATCH_SIZE
"""
# These families pass every option of their prefix on.
PREFIXES = ("SDNQ_", "DEEPFLOYD_VALIDATION_", "SDXL_VALIDATION_", "PIXART_VALIDATION_", "LTX2_VALIDATION_")
OTHER = {
    "RESUME_CHECKPOINT": "resume_from_checkpoint",
    "DATALOADER_CONFIG": "data_backend_config",
    "TRAINING_SEED": "seed",
    "ACCELERATE_CONFIG_PATH": "accelerate_config",
    "USE_XFORMERS": "enable_xformers_memory_efficient_attention",
    "MINIMUM_RESOLUTION": "minimum_image_size",
    "PUSH_CHECKPOINTS": "push_checkpoints_to_hub",
    "MAX_NUM_STEPS": "max_train_steps",
    "NUM_EPOCHS": "num_train_epochs",
    "CHECKPOINTING_STEPS": "checkpoint_step_interval",
    "CHECKPOINTING_LIMIT": "checkpoints_total_limit",
    "HUB_MODEL_NAME": "hub_model_id",
    "MODEL_NAME": "pretrained_model_name_or_path",
    "USE_GRADIENT_CHECKPOINTING": "gradient_checkpointing",
    "VALIDATION_STEPS": "validation_step_interval",
    "LR_SCHEDULE": "lr_scheduler",
    "TRAINING_NUM_PROCESSES": "num_processes",
    "TRAINING_NUM_MACHINES": "num_machines",
}
PASSED = {name: name.lower() for name in _SAME.split()} | OTHER
# Switches that chose the family before there was MODEL_FAMILY (2024)
FAMILIES = {
    "FLUX": "flux",
    "STABLE_DIFFUSION_3": "sd3",
    "PIXART_SIGMA": "pixart_sigma",
    "KOLORS": "kolors",
    "STABLE_DIFFUSION_LEGACY": "sd1x",
}
OWN = frozenset({
    "DATALOADER_CONFIG", "MODEL_FAMILY", "MODEL_TYPE", "MAX_NUM_STEPS", "NUM_EPOCHS", "LR_SCHEDULE", "TRAIN_BATCH_SIZE",
    "CHECKPOINTING_STEPS", "VALIDATION_STEPS", "VALIDATION_PROMPT", "TRAINING_NUM_PROCESSES", EXTRA,
})  # fmt: skip


def option(name: str) -> str | None:
    """The option that a variable of config.env sets; None where it sets none."""
    return PASSED.get(name) or (name.lower() if name.startswith(PREFIXES) else None)


def variables(document: Document) -> dict[str, Entry]:
    """Every assignment of the file, by name."""
    return {str(path[1]): entry for path, entry in document.entries.items() if len(path) == 2 and path[0] == "env"}


def env_settings(document: Document) -> Config:
    """The settings of a config.env: its variables, and the flags in `TRAINER_EXTRA_ARGS`."""
    config = Config(document, key_table(KEYS, "config"))
    config.insert = _inserter(document)
    for name, entry in variables(document).items():
        key = option(name)
        if name == EXTRA:
            config.settings |= _extra(document, entry)
        elif key is not None:
            config.settings[key] = _setting(document, name, entry)
        elif name == "USE_BITFIT" and str(entry.value).lower() == "true":
            config.settings["layer_freeze_strategy"] = _setting(document, name, entry)._replace(value="bitfit")
    for name, entry in variables(document).items():
        if name in FAMILIES and str(entry.value).lower() == "true" and "model_family" not in config.settings:
            switch = _setting(document, name, entry)
            config.settings["model_family"] = switch._replace(value=FAMILIES[name], rewrite=_added(config))
    return settle(config)


def _added(config: Config) -> Callable[[Any], Edit | None]:
    """MODEL_FAMILY is written beside the switch that it replaces."""
    return lambda value: config.insert("model_family", value) if config.insert else None


def _setting(document: Document, name: str, entry: Entry) -> Setting[Any]:
    known = "$" not in str(entry.value)
    path = ("env", name)
    return Setting(
        entry.value if known else None,
        "written" if known else "unknown",
        name,
        Place(document, entry.span if entry.value else entry.key or entry.span, path),
        lambda value: None if isinstance(value, bool) and not value else replace_value(document, path, value),
    )


def _extra(document: Document, entry: Entry) -> dict[str, Setting[Any]]:
    """The flags inside one string; they can be seen, not edited one by one."""
    words = tuple(Word(text, entry.span, False) for text in str(entry.value).split())
    found: dict[str, Setting[Any]] = {}
    for flag in flags(words):
        value = flag.values[0].text if flag.values else True
        known = "$" not in str(value)
        found[canonical(flag.name, key_table(KEYS, "config"))] = Setting(
            value if known else None,
            "written" if known else "unknown",
            f"--{flag.name}",
            Place(document, entry.span, ("env", EXTRA)),
        )
    return found


def _inserter(document: Document) -> Callable[[str, Any], Edit | None]:
    names = {key: name for name, key in PASSED.items()}

    def insert(key: str, value: Any) -> Edit | None:
        entries = [entry for path, entry in document.entries.items() if path]
        if key not in names or value is False or not entries:
            return None
        end = document.text.find(b"\n", entries[-1].span.end)
        end = len(document.text) if end < 0 else end
        shown = "true" if value is True else spell(document, value)
        return Edit(Span(end, end), f"\nexport {names[key]}={shown}")

    return insert
