"""Every field of lora-doctor's own config, declared once: the key table and the JSON Schema come from here."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from lora_doctor import __version__
from lora_doctor.setting import Key, KeyTable


class Field(NamedTuple):
    """One key: type as in key tables, default, one sentence with units, accepted values, inclusive bounds."""

    key: str
    type: str
    default: Any
    doc: str
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    required: bool = False


OPTIMIZERS = ("adamw", "adamw8bit", "adamw-kahan", "adafactor", "lion", "prodigy", "adamw-schedulefree")
SCHEDULERS = (
    "constant",
    "constant_with_warmup",
    "linear",
    "cosine",
    "cosine_with_restarts",
    "polynomial",
    "piecewise_constant",
)
DTYPES = ("bf16", "fp16", "fp32")
PURPOSES = ("subject", "style", "domain", "complex-domain", "edit")

FIELDS = (
    Field("recipe", "str", None, "a published recipe whose values stand where this file sets none; see `recipes/`"),
    Field("purpose", "str", None, "what the LoRA is for; thresholds depend on it", PURPOSES),
    Field("output", "str", None, "run folder: checkpoints, samples, logs", required=True),
    Field("model", "table", None, "the base model; without it the micro Klein of lora-doctor is trained"),
    Field("model.path", "str", None, "diffusers folder, single file or hub repository id"),
    Field(
        "model.family",
        "str",
        None,
        "only needed where the files do not say",
        ("flux2-klein-4b", "flux2-klein-9b", "sana", "sdxl"),
    ),
    Field("model.transformer", "str", None, "a single file with another Klein transformer than the one in `path`"),
    Field("model.text_encoder", "str", None, "another text encoder than the one in `path`"),
    Field("model.vae", "str", None, "another VAE than the one in `path`"),
    Field("model.revision", "str", None, "commit or branch of the hub repository"),
    Field("adapter", "table", None, "the LoRA"),
    Field("adapter.kind", "str", "lora", "kind of adapter", ("lora", "dora", "lokr", "loha")),
    Field("adapter.rank", "int", 16, "rank of the update", minimum=1, maximum=4096),
    Field("adapter.alpha", "int|float", None, "the update is scaled by alpha / rank; unset: equal to rank", minimum=0),
    Field("adapter.dropout", "int|float", 0.0, "share of adapter inputs dropped per step", minimum=0, maximum=1),
    Field(
        "adapter.targets",
        "str|list",
        "all-linear",
        "`all-linear`, `attention`, `blocks` (with the feed-forward layers), `seed`, or module names (suffixes)",
    ),
    Field("adapter.exclude", "list", [], "module names left alone (suffixes)"),
    Field("adapter.rank_pattern", "table", {}, "module name pattern -> rank"),
    Field("adapter.rank_pattern.**", "int", None, "rank of the modules that match", minimum=1),
    Field("adapter.alpha_pattern", "table", {}, "module name pattern -> alpha"),
    Field("adapter.alpha_pattern.**", "int|float", None, "alpha of the modules that match"),
    Field("adapter.rslora", "bool", False, "scale by alpha / sqrt(rank) (rsLoRA, arXiv:2312.03732)"),
    Field("adapter.start_from", "str", None, "an existing LoRA to continue"),
    Field("adapter.stack_on", "str|list", [], "LoRAs that stay as they are, loaded beneath the one that is trained"),
    Field("adapter.merge", "str|list", [], "LoRAs merged into the base in memory before one is trained on top"),
    Field("adapter.min_rank", "int", None, "rank at full noise, from where it rises to `rank` (T-LoRA)", minimum=1),
    Field("adapter.text_encoder", "bool", False, "train the text encoders too (few load Klein's and SANA's)"),
    Field("data", "list", None, "folders of images, one `[[data]]` each", required=True),
    Field("data.*.folder", "str", None, "folder of images, sub-folders included", required=True),
    Field(
        "data.*.captions",
        "str",
        "files",
        "where captions come from: a text file beside each image, or `prompt` for all",
        ("files", "prompt", "filename"),
    ),
    Field("data.*.caption_extension", "str", ".txt", "suffix of the caption files, with its dot"),
    Field("data.*.prompt", "str", None, 'the caption of every image where `captions = "prompt"`'),
    Field("data.*.repeats", "int|float", 1, "times each image is shown per epoch", minimum=0),
    Field("data.*.resolution", "int|list", None, "edge lengths in pixels for this folder; unset: `buckets.resolution`"),
    Field(
        "data.*.masks", "str", None, "folder of masks with the images' names; grey weighs the loss, white counts full"
    ),
    Field(
        "data.*.control",
        "str|list",
        None,
        "folder(s) of control images with the images' names, or with a number behind (`a_0.png`): edit training",
    ),
    Field("data.*.regularisation", "bool", False, "images of the class, to keep what the model knows"),
    Field("captions", "table", None, "what is done to captions"),
    Field("captions.trigger", "str", None, "word that calls the LoRA; put in front of captions that lack it"),
    Field("captions.dropout", "int|float", 0.05, "share of steps trained with an empty caption", minimum=0, maximum=1),
    Field("captions.shuffle_tags", "bool", False, "shuffle comma-separated tags (for tag captions only)"),
    Field("captions.keep_tags", "int", 0, "leading tags that are never shuffled", minimum=0),
    Field("edit", "table", None, "training on pairs: control images, and instructions for captions"),
    Field(
        "edit.control_dropout",
        "int|float",
        None,
        "share of showings without their control images (SDXL; unset: 0.1)",
        minimum=0,
        maximum=1,
    ),
    Field(
        "edit.image_guidance",
        "int|float",
        None,
        "how closely sample images keep to their control image (SDXL; unset: 1.5)",
        minimum=1,
    ),
    Field("buckets", "table", None, "sizes trained at"),
    Field("buckets.resolution", "int|list", 1024, "edge lengths in pixels; several are trained at once", minimum=64),
    Field("buckets.aspect_ratios", "bool", True, "keep aspect ratios; false: square centre crop"),
    Field("buckets.max_aspect_ratio", "int|float", 2.0, "widest allowed ratio of sides", minimum=1),
    Field("buckets.upscale", "bool", False, "enlarge images that are too small, instead of a smaller bucket"),
    Field("growth", "table", None, "smaller resolutions to begin with"),
    Field("growth.resolution", "list", [], "edge lengths in pixels before the last one, which `buckets.resolution` is"),
    Field("growth.steps", "list", [], "optimiser steps at each of them; unset: the run in equal parts"),
    Field(
        "growth.plateau",
        "int",
        0,
        "go on early after so many measurements without a lower held-out loss; 0: by steps alone",
        minimum=0,
    ),
    Field("training", "table", None, "length and batch"),
    Field("training.steps", "int", None, "optimiser steps", minimum=1),
    Field(
        "training.epochs", "int|float", None, "passes over the data; the first limit reached ends the run", minimum=0
    ),
    Field(
        "training.exposures", "int|float", None, "times each image is shown: sets the steps from the data", minimum=0
    ),
    Field("training.batch_size", "int", 1, "images per device and step", minimum=1),
    Field("training.accumulation", "int", 1, "micro-batches per optimiser step", minimum=1),
    Field("training.seed", "int", 0, "seed of everything drawn at random", minimum=0, maximum=2**32 - 1),
    Field("training.processes", "int", 1, "processes that train together on this machine, one per GPU", minimum=1),
    Field("optimizer", "table", None, "optimiser"),
    Field("optimizer.name", "str", "adamw", "optimiser", OPTIMIZERS),
    Field("optimizer.learning_rate", "int|float", 1e-4, "of the denoiser's adapter; 1.0 for prodigy", minimum=0),
    Field("optimizer.text_encoder_learning_rate", "int|float", None, "of the text encoders' adapters", minimum=0),
    Field("optimizer.weight_decay", "int|float", 0.01, "decoupled weight decay", minimum=0),
    Field("optimizer.betas", "list", None, "moment decay rates"),
    Field("optimizer.epsilon", "float", 1e-8, "denominator term", minimum=0),
    Field("optimizer.gradient_clip", "int|float", 1.0, "largest gradient norm; 0 switches clipping off", minimum=0),
    Field("optimizer.max_norm", "int|float", None, "largest norm of an adapter's update", minimum=0),
    Field("optimizer.ema", "bool", False, "keep an exponential moving average of the adapter"),
    Field("optimizer.ema_decay", "float", 0.99, "decay of that average per step", minimum=0, maximum=1),
    Field("optimizer.options", "table", {}, "further arguments of the optimiser"),
    Field("optimizer.options.**", "any", None, "passed to the optimiser as it is"),
    Field("schedule", "table", None, "learning-rate schedule"),
    Field("schedule.name", "str", "constant", "schedule (diffusers' names)", SCHEDULERS),
    Field("schedule.warmup_steps", "int", 0, "optimiser steps of linear warm-up", minimum=0),
    Field("schedule.cycles", "int|float", 1, "restarts of cosine_with_restarts", minimum=0),
    Field("schedule.power", "int|float", 1.0, "of the polynomial schedule"),
    Field("schedule.final_learning_rate", "float", 0.0, "where the schedule ends", minimum=0),
    Field("schedule.rules", "str", None, "steps and factors of piecewise_constant (`1:10,0.1:20,0.01`)"),
    Field("keeping", "table", None, "keeping what the base model says to other prompts"),
    Field("keeping.prior_weight", "int|float", 0.0, "weight of what the base says to `prior_prompts`", minimum=0),
    Field("keeping.prior_prompts", "list", [], "prompts without the trigger whose pictures should stay as they are"),
    Field(
        "keeping.output_weight", "int|float", 0.0, "weight of what the base says to captions of the class", minimum=0
    ),
    Field("keeping.output_class", "str", "", "what takes the trigger's place there: `person`, `dog`, `ring`"),
    Field("precision", "table", None, "number formats"),
    Field("precision.compute", "str", "bf16", "format of the matrix products", DTYPES),
    Field("precision.base", "str", "bf16", "storage of the frozen base model", (*DTYPES, "fp8", "int8", "nf4")),
    Field("precision.text_encoder", "str", "bf16", "storage of the text encoder", (*DTYPES, "fp8", "int8", "nf4")),
    Field("precision.adapter", "str", "fp32", "adapter weights and optimiser state", DTYPES),
    Field("precision.save", "str", "bf16", "format of saved checkpoints", DTYPES),
    Field("memory", "table", None, "memory against speed"),
    Field("memory.gradient_checkpointing", "bool", True, "recompute activations in the backward pass"),
    Field("memory.cache_latents", "bool", True, "encode images once, on disk"),
    Field("memory.cache_text", "bool", True, "encode captions once, on disk"),
    Field("memory.cache_folder", "str", None, "where the caches lie; unset: in the run folder"),
    Field("memory.offload", "bool", False, "keep models that are not in use in main memory"),
    Field("memory.blocks_to_swap", "int", 0, "transformer blocks kept in main memory", minimum=0),
    Field("memory.compile", "bool", False, "compile the denoiser (first steps are slow)"),
    Field("memory.shard", "bool", False, "each process holds a part of the frozen base (FSDP2): for models too large"),
    Field(
        "memory.pipeline_stages",
        "int",
        1,
        "processes that hold consecutive blocks of one copy of the model: for models too large",
        minimum=1,
    ),
    Field("memory.workers", "int", 2, "data loading processes", minimum=0),
    Field("timesteps", "table", None, "noise levels"),
    Field("timesteps.sampling", "str", None, "unset: the family's own", ("logit_normal", "uniform", "sigmoid")),
    Field(
        "timesteps.shift", "str|int|float", None, "`resolution` (by token count), a number, or unset: the family's own"
    ),
    Field("timesteps.prediction", "str", None, "SDXL only; unset: what the model's scheduler says", ("epsilon", "v")),
    Field("timesteps.zero_terminal_snr", "bool", False, "rescale the noise schedule (v-prediction only)"),
    Field("timesteps.min_snr_gamma", "int|float", None, "min-SNR loss weighting (SDXL), arXiv:2303.09556", minimum=0),
    Field("validation", "table", None, "sample images and held-out loss"),
    Field("validation.prompts", "list", [], "prompts of your own; a matrix is built from the captions beside them"),
    Field(
        "validation.every_steps",
        "int",
        250,
        "optimiser steps between sample images; 0: only at start and end",
        minimum=0,
    ),
    Field(
        "validation.held_out",
        "int|float",
        0.1,
        "share of the images kept out of training (below 1) or their number",
        minimum=0,
    ),
    Field("validation.guidance", "int|float", None, "unset: what the model recommends", minimum=0),
    Field("validation.sampler_steps", "int", None, "unset: what the model recommends", minimum=1),
    Field("validation.size", "list", None, "width and height in pixels"),
    Field("validation.seed", "int", 42, "the same for every checkpoint", minimum=0, maximum=2**32 - 1),
    Field("validation.strengths", "list", [0.6, 0.8, 1.0, 1.25, 1.5], "LoRA strengths of the sweep at the end"),
    Field("saving", "table", None, "checkpoints"),
    Field("saving.every_steps", "int", 250, "optimiser steps between checkpoints", minimum=1),
    Field("saving.keep", "int", 0, "newest checkpoints kept; 0 keeps all until you have judged them", minimum=0),
    Field("saving.formats", "list", ["diffusers"], "`diffusers`, `comfyui`, `kohya`, `folded` (with all beneath it)"),
    Field("saving.resume", "bool|str", False, "true: the newest checkpoint of `output`; or a checkpoint's folder"),
    Field("stop", "table", None, "when to end early"),
    Field("stop.on_nan", "bool", True, "stop when the loss is no number"),
    Field("stop.past_optimum", "bool", False, "stop when the held-out loss has risen for long enough to be sure"),
    Field("stop.patience", "int", 4, "validations without improvement before that", minimum=1),
    Field("stop.max_hours", "int|float", None, "wall-clock budget", minimum=0),
    Field("logging", "table", None, "loggers beside the run folder's own files"),
    Field("logging.tensorboard", "bool", True, "write TensorBoard events where it is installed"),
    Field(
        "logging.wandb",
        "bool",
        False,
        "log to Weights & Biases where it is installed; its token comes from the environment",
    ),
    Field("logging.project", "str", "lora-doctor", "project name there"),
)


# Of every `[stage.NAME]` table, which may hold any of the above too; as read, the name is a place in a list.
BUILDS = ("fresh", "continue", "stack", "merge")
STAGE_FIELDS = (
    Field("stage", "table", None, "runs that build on each other, one `[stage.NAME]` each; what it names counts there"),
    Field("stage.*.build", "str", "continue", "how it builds on the stage before; the first is `fresh`", BUILDS),
    Field("stage.*.on", "str", None, "another stage, or a LoRA's file, to build on"),
)


@cache
def native_table() -> KeyTable:
    """The fields as a key table."""
    keys = {f.key: Key(f.type, f.default, f.choices, f.required) for f in (*FIELDS, *STAGE_FIELDS)}
    return KeyTable("lora-doctor", __version__, "lora-doctor", "config", keys, strict=True)
