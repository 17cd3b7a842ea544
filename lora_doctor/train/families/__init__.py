"""What differs between model families, and nothing else: one module each, with the functions of `Family`.

A family knows its pipeline's inference mathematics and gives the same to training: what the pipeline does with a
prompt, an image and a noise level, training does too. Latents are [B, C, h, w] in the space the denoiser works in;
images are [B, 3, H, W] in [-1, 1]; losses are taken in fp32.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lora_doctor.source.document import SourceError
from lora_doctor.train.job import Timesteps
from lora_doctor.train.local import MICRO

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor


# What an image is made of: one caption's tensors, and of an edit the latents of its control images (`control_0`...).
Prompt = dict[str, "Tensor"]  # unbatched; `collate` makes a batch of them
CONTROL = "control_"


class Models(NamedTuple):
    """A loaded pipeline and its parts.

    scheduler: where noise levels are timesteps (SDXL), the schedule that is trained on. device: where the denoiser
    computes; other parts may lie elsewhere until they are used. dtype: what it computes in. side: edge length in
    pixels that the model was made for. tokens, layers: a prompt's length, and which hidden states of the text encoder
    are read where several are. card: what a micro model's folder says of itself. notes: what to know of how it was
    loaded.
    """

    pipeline: Any
    denoiser: Any
    vae: Any
    text_encoders: tuple[Any, ...]
    tokenizers: tuple[Any, ...]
    scheduler: Any
    device: torch.device
    dtype: torch.dtype
    side: int
    tokens: int
    layers: tuple[int, ...] = ()
    card: Mapping[str, Any] = MappingProxyType({})
    notes: tuple[str, ...] = ()


class Recommended(NamedTuple):
    """What the model's makers sample with."""

    guidance: float
    sampler_steps: int


class Family(Protocol):
    """The functions of a family's module.

    Levels say how noisy an image is: flow families sigma in (0, 1], SDXL integer timesteps; float or int [B].
    """

    ID: str  # as in lora_doctor.models.families
    DENOISER: str  # the pipeline's name of what is trained: transformer, unet
    LEVELS: float  # what the denoiser is told of an image that is all noise

    def assemble(self, pipeline: Any, timesteps: Timesteps, micro: Mapping[str, Any]) -> Models:
        """The parts of a loaded pipeline; `micro` is what a micro model's folder says of itself."""

    def recommended(self, models: Models) -> Recommended:
        """How to sample."""

    def encode_prompts(self, models: Models, captions: Sequence[str]) -> list[Prompt]:
        """What the pipeline makes of each caption; of the empty one, what it takes for guidance's other side."""

    def encode_images(self, models: Models, pixels: Tensor) -> Tensor:
        """Latents of images, the mode of the posterior: the same image gives the same latents."""

    def encode_control(self, models: Models, pixels: Tensor) -> Tensor:
        """Latents of control images as the denoiser is shown them."""

    def widen(self, pipeline: Any) -> None:
        """Make a loaded pipeline's denoiser take control images."""

    def always(self, models: Models) -> Mapping[str, int]:
        """Layers that need an adapter whatever the targets are, with its rank."""

    def draw_levels(
        self, models: Models, timesteps: Timesteps, shape: Sequence[int], generator: torch.Generator | None = None
    ) -> Tensor:
        """Noise levels for a batch of latents of this shape, drawn on the generator's device."""

    def noisy(self, models: Models, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """Latents at these levels of noise."""

    def target(self, models: Models, latents: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        """What the denoiser should predict."""

    def loss_weight(self, models: Models, levels: Tensor, timesteps: Timesteps) -> Tensor:
        """Weight of each item's squared error, [B]."""

    def predict(
        self, models: Models, noisy: Tensor, levels: Tensor, prompts: Prompt, sizes: Tensor | None = None
    ) -> Tensor:
        """One forward of the denoiser, fp32, of the latents' shape.

        prompts: `collate`d. sizes: [B, 6] pixels (original height and width, top and left of the crop, target height
        and width), which SDXL is told; None where images fill their size uncropped.
        """

    def levels_at(self, models: Models, sigmas: Tensor) -> Tensor:
        """The levels at which noise has these shares of the whole, sigma in (0, 1]."""

    def sample(
        self,
        models: Models,
        prompts: Sequence[str | Prompt],
        seeds: Sequence[int],
        *,
        negative: str | Prompt = "",
        steps: int | None = None,
        guidance: float | None = None,
        size: tuple[int, int] | None = None,
        control: Sequence[Sequence[Image]] = (),
        image_guidance: float | None = None,
    ) -> list[Image]:
        """One image per prompt and seed with the real pipeline; size in pixels (width, height).

        control: of an edit, the control images of every prompt. image_guidance: how closely to keep to them (SDXL).

        An image depends on its prompt and seed, not on what stands beside it in the batch (to rounding).
        """


def family_of(folder: Path) -> Family:
    """The family of a pipeline folder.

    Raises:
        SourceError: the folder is no pipeline of a family that lora-doctor trains.
    """
    from lora_doctor.models.header import HeaderError
    from lora_doctor.models.identify import identify_path

    try:
        found = identify_path(folder)
    except HeaderError as problem:
        raise SourceError(f"{folder}: {problem}") from problem
    return family_named(found.family or "", str(folder))


def family_named(name: str, where: str = "") -> Family:
    """The family with this id (`flux2-klein`, `sana`, `sdxl`); SourceError for others."""
    if name == "flux2-klein":
        from lora_doctor.train.families import klein

        return klein
    if name == "sana":
        from lora_doctor.train.families import sana

        return sana
    if name == "sdxl":
        from lora_doctor.train.families import sdxl

        return sdxl
    what = f"is {name}" if name else "is no model that lora-doctor knows"
    raise SourceError(f"{where or 'the model'} {what}; lora-doctor trains FLUX.2 Klein, SANA and SDXL")


def micro_of(folder: Path) -> dict[str, Any]:
    """What a micro model says of itself: `text_encoder_out_layers`, `max_sequence_length`, `resolution`; else {}."""
    path = folder / MICRO
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise SourceError(f"{path} cannot be read: {problem}") from problem
    return found if isinstance(found, dict) else {}


def carded(models: Models, guidance: float, sampler_steps: int) -> Recommended:
    """What a micro model's card recommends, else what the makers of the real one do."""
    card = models.card
    return Recommended(card.get("guidance_scale", guidance), card.get("num_inference_steps", sampler_steps))


def control_name(nth: int) -> str:
    """The name of the nth control image among a prompt's tensors."""
    return f"{CONTROL}{nth}"


def controls_of(prompts: Prompt) -> list[Tensor]:
    """The control images among a prompt's tensors, in their order."""
    count = sum(name.startswith(CONTROL) for name in prompts)
    return [prompts[control_name(nth)] for nth in range(count)]


def alike(control: Sequence[Sequence[Image]], count: int) -> list[list[int]]:
    """Places of prompts that stand together and are shown the same images: pipelines show one set to a batch."""
    found: list[list[int]] = []
    for place in range(count):
        if found and (not control or list(control[place]) == list(control[found[-1][0]])):
            found[-1].append(place)
        else:
            found.append([place])
    return found


def collate(prompts: Sequence[Prompt]) -> Prompt:
    """A batch of prompts."""
    import torch

    return {key: torch.stack([prompt[key] for prompt in prompts]) for key in prompts[0]}


@contextmanager
def present(models: Models, *modules: Any) -> Iterator[None]:
    """Inside, the modules are where the denoiser computes; afterwards, back where they were."""
    homes = [module.device for module in modules]
    try:
        for module in modules:
            _move(module, models.device)
        yield
    finally:
        for module, home in zip(modules, homes):
            _move(module, home)


def _move(module: Any, device: Any) -> None:
    if module.device != device:
        module.to(device)


def as_loaded(models: Models) -> AbstractContextManager[Any]:
    """Inside, the denoiser computes in its own format, as the pipeline does; autocast around it is switched off.

    Under autocast SANA's linear attention would overflow in fp16, and norms differ from what inference computes.
    """
    import torch

    return torch.autocast(models.device.type, enabled=False)


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """Inside, dropout is off; afterwards, on where it was: a frozen model may carry an adapter in training."""
    before = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for each, training in before:
            each.training = training


Encode = Callable[[Models, Sequence[str]], list[Prompt]]


def encoded(encode: Encode, models: Models, prompts: Sequence[str | Prompt]) -> list[Prompt]:
    """Prompts as tensors on the denoiser's device, whichever they were."""
    texts = [p for p in prompts if isinstance(p, str)]
    made = iter(encode(models, texts) if texts else [])  # without texts, encoders stay where they are
    tensors = [next(made) if isinstance(p, str) else p for p in prompts]
    return [{key: value.to(models.device) for key, value in each.items()} for each in tensors]


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    """One generator per image, on the CPU: the same noise on every machine and in every batch."""
    import torch

    return [torch.Generator().manual_seed(seed) for seed in seeds]
