"""What one run does, fully resolved: the fields of lora-doctor's own config, each with a value and its reason.

A `Job` is made from any trainer's plan by `lora_doctor.train.resolve`. Its parts are the tables of the native config
(`lora_doctor.dialects.native_fields` documents every key), so that the saved `config.toml` and the job say the same.
No torch here: a job is judged before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Model(NamedTuple):
    """The base model: a folder in diffusers' layout. `family` is `flux2-klein`, `sana` or `sdxl`."""

    path: Path
    family: str
    size: str | None = None  # `4B`, `1.6B`...; None where the files do not say
    text_encoder: Path | None = None  # instead of the one in `path`
    vae: Path | None = None
    transformer: Path | None = None  # a single file, in the layout of Black Forest Labs and ComfyUI


class Adapter(NamedTuple):
    """The LoRA. The update is scaled by alpha / rank, with rsLoRA by alpha / sqrt(rank)."""

    kind: str = "lora"  # lora, dora, lokr, loha
    rank: int = 16
    alpha: float = 16.0
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"  # a preset (`all-linear`, `attention`, `blocks`, `seed`) or names
    exclude: tuple[str, ...] = ()
    rank_pattern: Mapping[str, int] = NOTHING
    alpha_pattern: Mapping[str, float] = NOTHING
    rslora: bool = False
    start_from: Path | None = None
    stack_on: tuple[Path, ...] = ()  # LoRAs that stay as they are, beneath
    merge: tuple[Path, ...] = ()  # LoRAs merged into the base first
    text_encoder: bool = False
    min_rank: int | None = None  # rank at full noise (T-LoRA); None: `rank` at every noise level

    @property
    def beneath(self) -> tuple[Path, ...]:
        """Every LoRA that has to be loaded together with this one, in their order."""
        return (*self.merge, *self.stack_on)


class Data(NamedTuple):
    """One folder of images. `names` are relative to `folder`, sorted; `masks` is a folder, `control` are folders."""

    folder: Path
    names: tuple[str, ...]
    captions: str = "files"  # files, prompt, filename
    caption_extension: str = ".txt"
    prompt: str | None = None
    repeats: float = 1.0
    resolution: tuple[int, ...] = (1024,)  # edge lengths in pixels, each trained at
    masks: Path | None = None
    control: tuple[Path, ...] = ()  # images that the model is shown; the captions say what to do with them
    regularisation: bool = False


class Edit(NamedTuple):
    """Training on pairs. `control_dropout`: share of showings without their control images; None: the family's own."""

    control_dropout: float | None = None
    image_guidance: float | None = None  # of validation images, SDXL; None: the pipeline's own


class Captions(NamedTuple):
    """What is done to captions."""

    trigger: str | None = None
    dropout: float = 0.05
    shuffle_tags: bool = False
    keep_tags: int = 0


class Buckets(NamedTuple):
    """Sizes trained at; edge lengths in pixels stand in each `Data`."""

    aspect_ratios: bool = True
    max_aspect_ratio: float = 2.0
    upscale: bool = False


class Growth(NamedTuple):
    """Smaller resolutions to begin with, edge lengths in pixels; the last one stands in each `Data`."""

    resolution: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()  # optimiser steps at each; none: the run in equal parts
    plateau: int = 0  # measurements without a lower held-out loss after which it goes on early


class Training(NamedTuple):
    """Length and batch. `steps` are optimiser steps; a step sees `batch_size` x `accumulation` images per process
    (per copy of the model, where a process is one of its stages).

    `processes`: how many train together, one per GPU. `asked`: the accumulation that the config says, where resuming
    with another number of processes takes another one.
    """

    steps: int
    batch_size: int = 1
    accumulation: int = 1
    seed: int = 0
    processes: int = 1
    asked: int | None = None


class Optimizer(NamedTuple):
    """Optimiser of the adapter. `gradient_clip` 0 and `max_norm` None switch the limits off."""

    name: str = "adamw"
    learning_rate: float = 1e-4
    text_encoder_learning_rate: float | None = None
    weight_decay: float = 0.01
    betas: tuple[float, ...] | None = None
    epsilon: float = 1e-8
    gradient_clip: float = 1.0
    max_norm: float | None = None
    ema: bool = False
    ema_decay: float = 0.99
    options: Mapping[str, Any] = NOTHING


class Schedule(NamedTuple):
    """Learning rate over steps; `final_learning_rate` is where decaying schedules end."""

    name: str = "constant"
    warmup_steps: int = 0
    cycles: float = 1
    power: float = 1.0
    final_learning_rate: float = 0.0
    rules: str | None = None


class Keeping(NamedTuple):
    """What the base model says is kept: weights of losses beside the images' own, 0 switches one off.

    `prior`: of prompts; `output`: of the captions with `output_class` in place of the trigger.
    """

    prior_weight: float = 0.0
    prior_prompts: tuple[str, ...] = ()
    output_weight: float = 0.0
    output_class: str = ""


class Precision(NamedTuple):
    """Number formats: bf16, fp16, fp32; stored weights also fp8, int8, nf4."""

    compute: str = "bf16"
    base: str = "bf16"
    text_encoder: str = "bf16"
    adapter: str = "fp32"
    save: str = "bf16"


class Memory(NamedTuple):
    """Memory against speed."""

    gradient_checkpointing: bool = True
    cache_latents: bool = True
    cache_text: bool = True
    cache_folder: Path | None = None  # None: `cache` in the run folder
    offload: bool = False
    blocks_to_swap: int = 0
    compile: bool = False
    shard: bool = False  # the frozen base lies in parts on all processes' devices (FSDP2)
    pipeline_stages: int = 1  # processes that hold consecutive blocks of one copy of the model
    workers: int = 2


class Timesteps(NamedTuple):
    """How noise levels are drawn; None leaves it to the family."""

    sampling: str | None = None  # logit_normal, uniform, sigmoid
    shift: str | float | None = None  # `resolution`, or a number
    prediction: str | None = None  # epsilon, v (SDXL)
    zero_terminal_snr: bool = False
    min_snr_gamma: float | None = None


class Validation(NamedTuple):
    """Sample images and held-out loss; None leaves it to the family."""

    prompts: tuple[str, ...] = ()
    every_steps: int = 250
    held_out: float = 0.1  # share of the images below 1, else their number
    guidance: float | None = None
    sampler_steps: int | None = None
    size: tuple[int, int] | None = None
    seed: int = 42
    strengths: tuple[float, ...] = (0.6, 0.8, 1.0, 1.25, 1.5)


class Saving(NamedTuple):
    """Checkpoints. `keep` 0 keeps all; `resume` is False, True (the newest) or a checkpoint's folder."""

    every_steps: int = 250
    keep: int = 0
    formats: tuple[str, ...] = ("diffusers",)
    resume: bool | str = False


class Stop(NamedTuple):
    """When to end early."""

    on_nan: bool = True
    past_optimum: bool = False
    patience: int = 4
    max_hours: float | None = None


class Logging(NamedTuple):
    """Loggers beside the run folder's own files."""

    tensorboard: bool = True
    wandb: bool = False
    project: str = "lora-doctor"


class Job(NamedTuple):
    """One run. `reasons` says for a key (`adapter.rank`) why it has its value; `dropped` what can't be honoured."""

    output: Path
    model: Model
    data: tuple[Data, ...]
    training: Training
    adapter: Adapter = Adapter()
    captions: Captions = Captions()
    edit: Edit = Edit()
    buckets: Buckets = Buckets()
    growth: Growth = Growth()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    keeping: Keeping = Keeping()
    precision: Precision = Precision()
    memory: Memory = Memory()
    timesteps: Timesteps = Timesteps()
    validation: Validation = Validation()
    saving: Saving = Saving()
    stop: Stop = Stop()
    logging: Logging = Logging()
    recipe: str | None = None
    purpose: str | None = None
    reasons: Mapping[str, str] = NOTHING
    dropped: tuple[str, ...] = ()

    @property
    def edits(self) -> bool:
        """Whether any of the images are trained with control images."""
        return any(data.control for data in self.data)

    @property
    def sharded(self) -> bool:
        """Whether every process holds a part of every block of the base model."""
        return self.memory.shard and self.training.processes > 1

    @property
    def parted(self) -> bool:
        """Whether processes hold a part of the base model each: all of a copy then compute wherever one does."""
        return self.sharded or self.memory.pipeline_stages > 1

    @property
    def copies(self) -> int:
        """How many processes, or rows of processes that are the stages of one model, see different images."""
        return self.training.processes // self.memory.pipeline_stages

    @property
    def images_per_step(self) -> int:
        """Images of an optimiser step, of all processes."""
        return self.training.batch_size * self.training.accumulation * self.copies


TABLES: dict[str, Any] = {
    "adapter": Adapter,
    "captions": Captions,
    "edit": Edit,
    "buckets": Buckets,
    "growth": Growth,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "keeping": Keeping,
    "precision": Precision,
    "memory": Memory,
    "timesteps": Timesteps,
    "validation": Validation,
    "saving": Saving,
    "stop": Stop,
    "logging": Logging,
}  # those of the config that have defaults throughout
DEFAULT = "default"  # the reason of a value that nobody chose
BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "nf4": 0.5}
# Bytes of optimiser state per weight in fp32: two moments, two quantised moments, one, three...
STATES = {
    "adamw": 8.0, "adamw8bit": 2.0, "adamw-kahan": 8.0, "adafactor": 0.1, "lion": 4.0, "prodigy": 16.0,
    "adamw-schedulefree": 8.0,
}  # fmt: skip
