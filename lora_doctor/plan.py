"""What will be trained, in one vocabulary for every trainer; each value written, defaulted or unknown.

A dialect fills a `Plan` from its trainer's config. Values are in the units named here, whatever the trainer's own unit
is; `Setting.key` keeps the trainer's word for it. What a trainer has no notion of stays unknown (`value is None`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lora_doctor.dataset.listing import Listing
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.setting import Config, Setting

UNKNOWN = ModelIdentity()


class Component(NamedTuple):
    """A model file or repository the config points to.

    `declared` is what the config says it is (`arch: flux2_klein_9b`), `found` what its header, folder or name says.
    """

    setting: Setting[str] = Setting()
    declared: ModelIdentity = UNKNOWN
    found: ModelIdentity = UNKNOWN

    @property
    def family(self) -> str | None:
        """`flux2-klein`, `flux2-dev`, `flux1`, `sana`, `sdxl`, `sd15`...; None where nothing says."""
        return self.found.family or self.declared.family

    @property
    def size(self) -> str | None:
        """`4B`, `9B`, `1.6B`...; None where nothing says."""
        return self.found.size or self.declared.size

    @property
    def variant(self) -> str | None:
        """`base`, `distilled`, `v-prediction`, `schnell`...; None where nothing says."""
        return self.found.variant or self.declared.variant


class Network(NamedTuple):
    """The adapter. `scale` is what this trainer multiplies the update by: alpha/rank, or 1 where it ignores alpha."""

    kind: Setting[str] = Setting()  # lora, lokr, loha, dora, oft..., or full (no adapter: a full fine-tune)
    rank: Setting[int] = Setting()
    alpha: Setting[float] = Setting()
    scale: float | None = None
    conv_rank: Setting[int] = Setting()
    conv_alpha: Setting[float] = Setting()
    dropout: Setting[float] = Setting()
    targets: Setting[Any] = Setting()  # module names as written
    excluded: Setting[Any] = Setting()  # module names left out, matched the same way
    target_style: str = "peft"  # how `targets` match: peft (name endings or a regex), contains, or preset (a word)
    target_naming: str | None = None  # whose module names they are, native or diffusers, where the style does not say
    weights: Setting[str] = Setting()  # an existing adapter to continue from
    merged: Setting[list[str]] = Setting()  # adapters merged into the base before one is trained on top
    stacked: Setting[list[str]] = Setting()  # adapters that stay as they are, under the one that is trained
    dtype: Setting[str] = Setting()  # bf16, fp16, fp32: what the adapter's weights are kept in while training

    @property
    def beneath(self) -> tuple[Setting[str], ...]:
        """Every adapter that another one is trained on top of."""
        lists = (self.merged, self.stacked)
        return tuple(Setting(path, *each[1:]) for each in lists for path in each.value or ())


class Optimizer(NamedTuple):
    """Optimiser and schedule. `name` is as written; `lora_doctor.derived.optimizer_family` says what it is."""

    name: Setting[str] = Setting()
    learning_rate: Setting[float] = Setting()
    text_encoder_learning_rate: Setting[float] = Setting()
    weight_decay: Setting[float] = Setting()
    scheduler: Setting[str] = Setting()
    warmup_steps: Setting[float] = Setting()  # optimiser steps
    gradient_clip: Setting[float] = Setting()
    ema: Setting[bool] = Setting()


class Precision(NamedTuple):
    """Number formats: `bf16`, `fp16`, `fp32`, `fp8`, `int8`, `nf4`... in one spelling for all trainers."""

    compute: Setting[str] = Setting()  # mixed precision
    base: Setting[str] = Setting()  # storage of the frozen base model
    text_encoder: Setting[str] = Setting()
    vae: Setting[str] = Setting()
    save: Setting[str] = Setting()
    gradient_checkpointing: Setting[bool] = Setting()
    blocks_to_swap: Setting[int] = Setting()


class Timesteps(NamedTuple):
    """How noise levels are drawn and what the model is asked to predict."""

    sampling: Setting[str] = Setting()  # uniform, logit_normal, sigmoid, shift, flux_shift, weighted...
    shift: Setting[float] = Setting()
    weighting: Setting[str] = Setting()
    prediction: Setting[str] = Setting()  # epsilon, v, flow
    zero_terminal_snr: Setting[bool] = Setting()
    min_snr_gamma: Setting[float] = Setting()
    noise_offset: Setting[float] = Setting()
    guidance: Setting[float] = Setting()  # the distilled-guidance value trained with (FLUX.1)


class Dataset(NamedTuple):
    """One folder of images as the trainer reads it.

    `caption_source`: `files` (side-car files with `caption_extension`), `prompt` (one instance prompt for all),
    `filename`, `folder` (kohya's folder name), `column`, `json`, `none`.
    """

    config: Config
    prefix: str  # where its keys stand: `directory.0`, `datasets.1`, `` for a flag
    folder: Setting[str] = Setting()
    control: Setting[str] = Setting()
    masks: Setting[str] = Setting()
    repeats: Setting[float] = Setting()  # times an image is shown per epoch
    resolution: Setting[list[int]] = Setting()  # edge lengths in pixels; several: the set is trained at each
    each_resolution: bool = True  # False: of several resolutions, an image gets one of them per epoch
    buckets: Setting[bool] = Setting()
    batch_size: Setting[int] = Setting()
    caption_source: Setting[str] = Setting()
    prompt: Setting[str] = Setting()  # the one caption of every image, where the source is `prompt`
    caption_extension: Setting[str] = Setting()  # with its dot
    caption_counts: Mapping[str, int | None] | None = None  # captions per image, where a file may hold several
    caption_dropout: Setting[float] = Setting()
    shuffle_tags: Setting[bool] = Setting()
    keep_tokens: Setting[int] = Setting()
    trigger: Setting[str] = Setting()
    regularisation: Setting[bool] = Setting()
    parent: Listing | None = None  # kohya's layout: the folder whose `N_concept` sub-folders are the datasets
    listing: Listing | None = None  # the folder's file names; None when it is not there or was not asked for
    control_listings: tuple[Listing, ...] = ()  # of every control folder; empty unless all could be listed
    mask_listing: Listing | None = None
    stored: Mapping[str, Any] | None = None  # settings that an earlier run left beside the images and restores
    caches: Listing | None = None  # the folder of cached latents and texts, for trainers that train from files there
    lookup: Callable[[str], Setting[Any]] | None = None  # how this loader finds a key: here, above, among the flags

    def find(self, key: str) -> Setting[Any]:
        """The setting that counts for this entry, wherever the loader takes it from."""
        return self.lookup(key) if self.lookup else self.get(key)

    def get(self, key: str) -> Setting[Any]:
        """A raw setting of this entry by the trainer's own key."""
        return self.config.get(f"{self.prefix}.{key}" if self.prefix else key)


class Validation(NamedTuple):
    """Sample images while training."""

    prompts: Setting[list[str]] = Setting()
    every_steps: Setting[int] = Setting()
    every_epochs: Setting[int] = Setting()
    guidance: Setting[float] = Setting()
    sampler_steps: Setting[int] = Setting()
    size: Setting[list[int]] = Setting()  # width, height in pixels
    seed: Setting[int] = Setting()
    walk_seed: Setting[bool] = Setting()
    held_out: Setting[Any] = Setting()  # a validation split, folder or item list for a validation loss


class Saving(NamedTuple):
    """Checkpoints: how often, how many are kept, and what is resumed."""

    folder: Setting[str] = Setting()
    name: Setting[str] = Setting()
    every_steps: Setting[int] = Setting()
    every_epochs: Setting[int] = Setting()
    keep: Setting[int] = Setting()  # newest checkpoints kept; unknown or 0: all
    resumable: Setting[bool] = Setting()  # whether optimiser state is saved too
    resume: Setting[Any] = Setting()
    existing: tuple[str, ...] = ()  # file names that lie in this run's own output folder already
    never: bool = False  # the trainer saves nothing before the end unless told to, and was not told


class Stage(NamedTuple):
    """One of several runs that build on each other, in one config.

    `build`: `fresh`, or `continue`, `stack` (keep it beneath) or `merge` (into the base) what `on` names: an earlier
    stage, or a LoRA's path. `folder`: its run folder.
    """

    name: str
    build: Setting[str] = Setting()
    on: Setting[str] = Setting()
    folder: Setting[str] = Setting()
    before: tuple[Stage, ...] = ()


class Plan(NamedTuple):
    """One training run (or, with `kind` other than `training`, one file that belongs to a run)."""

    trainer: str
    kind: str
    config: Config
    script: str = ""  # for commands: the script's file name
    dataset_configs: tuple[Config, ...] = ()
    launch: Config | None = None  # the flags of the command line that names this config, for trainers that have both
    handed: Config | None = None  # what a GUI hands to the script that trains, under that script's keys
    prepared_by: tuple[Config, ...] = ()  # commands of the same script that run before it and write its caches
    model: Component = Component()
    text_encoder: Component = Component()
    vae: Component = Component()
    network: Network = Network()
    optimizer: Optimizer = Optimizer()
    precision: Precision = Precision()
    timesteps: Timesteps = Timesteps()
    validation: Validation = Validation()
    saving: Saving = Saving()
    steps: Setting[int] = Setting()  # optimiser steps
    epochs: Setting[int] = Setting()
    batch_size: Setting[int] = Setting()  # images per device and step
    accumulation: Setting[int] = Setting()
    processes: Setting[int] = Setting()  # devices that see different images
    seed: Setting[int] = Setting()
    trigger: Setting[str] = Setting()
    purpose: Setting[str] = Setting()  # subject, style, domain; only lora-doctor's own config says
    recipe: Setting[str] = Setting()  # a published recipe: from lora-doctor's own config or the project's settings
    train_text_encoder: Setting[bool] = Setting()
    cache_latents: Setting[bool] = Setting()
    cache_text: Setting[bool] = Setting()
    prompt_tokens: Setting[int] = Setting()  # longest prompt in tokens; the rest falls off
    datasets: tuple[Dataset, ...] = ()
    growth: Setting[list[int]] = Setting()  # edge lengths in pixels that are trained before the last one
    unused: tuple[Dataset, ...] = ()  # entries that are switched off, or for validation only
    stage: Stage | None = None  # only lora-doctor's own config has stages: one plan for each

    @property
    def training(self) -> bool:
        """Whether this is a run, not only a dataset or a support file."""
        return self.kind == "training"

    @property
    def learning_rate(self) -> Setting[float]:
        """The transformer's or UNet's learning rate."""
        return self.optimizer.learning_rate

    @property
    def configs(self) -> tuple[Config, ...]:
        """The main config, the dataset configs that were followed, and the command line that started it."""
        return (self.config, *self.dataset_configs, *((self.launch,) if self.launch else ()))

    def get(self, key: str) -> Setting[Any]:
        """A raw setting of the main config by the trainer's own key."""
        return self.config.get(key)

    def argument(self, key: str) -> Setting[Any]:
        """A setting by the key of the script that trains, which a GUI may call otherwise."""
        return (self.handed or self.config).get(key)
