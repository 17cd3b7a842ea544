"""Pictures and texts become vectors of length 1, by the user's own DINO, CLIP, SigLIP or SSCD.

An encoder is loaded where a picture is not in the cache yet, looks at a few pictures at a time, and goes. Vectors are
kept by the content of the picture and of the encoder's files.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from lora_doctor.dataset.arrays import Array
from lora_doctor.dataset.cache import Cache
from lora_doctor.dataset.decode import UndecodableError, decode, read_header
from lora_doctor.dataset.examine import read_bytes
from lora_doctor.probe.given import Given
from lora_doctor.source.document import SourceError
from lora_doctor.symptoms.encoded import Encode, Shown, Tell
from lora_doctor.train.cache import identity

AT_ONCE = 8  # pictures in memory
EDGE = 320  # pixels of SSCD's square; its README skews pictures to it
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, as SSCD was trained
VERSION = 1  # of how pictures are read
Vectors = Callable[[Sequence[Array]], Tensor]  # RGB pictures -> [n, d]


def encoder(given: Given) -> Encode:
    """Encode pictures, with what is cached; the model is loaded when it is needed."""
    return partial(_encode, given)


def _encode(given: Given, shown: Shown, store: Cache, tell: Tell | None) -> Array:
    known = kept(f"{given.option[2:]}-{VERSION}-{mark(given)}", shown, store, lambda: _vectors(given), tell)
    sizes = [len(value) for value in known.values()]
    rows = np.zeros((len(shown.names), max(sizes, default=4) // 4), np.float32)
    for place, digest in enumerate(shown.digests):
        if digest in known and len(known[digest]) == 4 * rows.shape[1]:
            rows[place] = np.frombuffer(known[digest], np.float32)
    return rows


def mark(given: Given) -> str:
    """What tells an encoder's files from another's."""
    return identity(given.path)[:24]


def kept(
    kind: str,
    shown: Shown,
    store: Cache,
    load: Callable[[], Callable[[Sequence[Array]], Sequence[bytes]]],
    tell: Tell | None,
) -> dict[bytes, bytes]:
    """What is known of every picture, by digest: from the cache, or asked now, some pictures at a time."""
    digests = [digest for digest in shown.digests if digest]
    known = store.more(kind, digests)
    todo: dict[bytes, Path] = {}
    for name, digest in zip(shown.names, shown.digests):
        if digest and digest not in known:
            todo.setdefault(digest, shown.folder / name)
    if not todo:
        return known
    ask = load()
    for done, (names, images) in enumerate(_read(list(todo.items()))):
        for digest, value in zip(names, ask(images), strict=True):
            known[digest] = value
            store.keep_more(kind, digest, value)
        if tell is not None:
            tell("", min(len(todo), (done + 1) * AT_ONCE), len(todo))
    store.commit()
    return known


def _read(files: Sequence[tuple[bytes, Path]]) -> Iterator[tuple[list[bytes], list[Array]]]:
    """RGB pictures, a few at a time; what changed or went since it was listed is left out."""
    for start in range(0, len(files), AT_ONCE):
        names, images = [], []
        for digest, path in files[start : start + AT_ONCE]:
            try:
                data = read_bytes(str(path))
                image, _, _ = decode(data, read_header(data))
            except (UndecodableError, MemoryError):
                continue
            names.append(digest)
            images.append(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB))
        if images:
            yield names, images


def device() -> torch.device:
    """Where encoders compute."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _vectors(given: Given) -> Callable[[Sequence[Array]], list[bytes]]:
    ask = {"--sscd": _sscd, "--clip": _clip_pictures, "--dino": _dino}[given.option](given)

    @torch.no_grad()
    def encode(images: Sequence[Array]) -> list[bytes]:
        return [row.tobytes() for row in _evened(ask(images))]

    return encode


def _evened(found: Tensor) -> Array:
    """Rows of length 1 on the CPU; one with NaN becomes zeros, like a picture that can't be read."""
    rows = found.detach().float().cpu().flatten(1)
    rows = torch.nan_to_num(torch.nn.functional.normalize(rows), 0.0)
    return rows.numpy().astype(np.float32)


def _sscd(given: Given) -> Vectors:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated; it is how SSCD is published
            load: Any = torch.jit.load
            program = load(str(given.path), map_location=device()).eval()
    except (RuntimeError, ValueError) as error:
        raise SourceError(f"--sscd {given.path}: does not load ({_first(error)})") from None
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))

    def encode(images: Sequence[Array]) -> Tensor:
        small = [cv2.resize(image, (EDGE, EDGE), interpolation=cv2.INTER_AREA) for image in images]
        pixels = torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).float() / 255
        found: Tensor = program(((pixels - mean) / std).to(device()))
        return found

    return encode


def _dino(given: Given) -> Vectors:
    from transformers import AutoModel

    model = loaded(given, AutoModel, but=("pooler.", "mask_token"))
    prepare = processor(given)

    def encode(images: Sequence[Array]) -> Tensor:
        found = model(**prepare(images=list(images), return_tensors="pt").to(device()))
        # the class token; a ConvNeXt has none, and its pooled features are what it was trained on
        whole: Tensor = found.pooler_output if given.kind.endswith("convnext") else found.last_hidden_state[:, 0]
        return whole

    return encode


def _clip_pictures(given: Given) -> Vectors:
    from transformers import AutoModel

    model, prepare = loaded(given, AutoModel), processor(given)

    def encode(images: Sequence[Array]) -> Tensor:
        found = model.get_image_features(**prepare(images=list(images), return_tensors="pt").to(device()))
        return pooled(found)

    return encode


def texts(given: Given) -> Callable[[Sequence[str]], Array]:
    """Encode prompts with a CLIP's other half; words beyond what it reads (77 tokens, SigLIP 64) are cut off."""
    return partial(_texts, given)


@torch.no_grad()
def _texts(given: Given, prompts: Sequence[str]) -> Array:
    from transformers import AutoModel, AutoTokenizer

    model = loaded(given, AutoModel)
    tokenizer: Any = _here(given, AutoTokenizer.from_pretrained)
    most = model.config.text_config.max_position_embeddings
    padding = True if given.kind == "clip" else "max_length"  # SigLIP was trained on full lengths
    rows = []
    for start in range(0, len(prompts), AT_ONCE):
        part = list(prompts[start : start + AT_ONCE])
        tokens = tokenizer(part, padding=padding, truncation=True, max_length=most, return_tensors="pt").to(device())
        rows.append(_evened(pooled(model.get_text_features(**tokens))))
    return np.concatenate(rows)


def pooled(found: Any) -> Tensor:
    """The features of one of CLIP's halves: transformers gave the tensor itself before version 5."""
    whole: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return whole


def loaded(given: Given, kind: Any, but: tuple[str, ...] = ()) -> Any:
    """A model of transformers in fp32, with all its weights. but: beginnings of names that it may do without.

    Raises:
        SourceError: it does not load, or weights are missing, which would be random numbers.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    model, told = _here(
        given, kind.from_pretrained, output_loading_info=True, use_safetensors=True, dtype=torch.float32
    )
    wrong = sorted(key for key in told["missing_keys"] if not key.startswith(but))
    wrong += [str(each[0]) for each in told["mismatched_keys"]]
    if wrong:
        raise SourceError(
            f"{given.option} {given.path}: {len(wrong)} of the model's tensors are not in its weights ({wrong[0]})"
        )
    return model.to(device()).eval()


def processor(given: Given) -> Any:
    """What makes a model's input of pictures."""
    from transformers import AutoImageProcessor

    return _here(given, AutoImageProcessor.from_pretrained)


def _here(given: Given, load: Callable[..., Any], **more: Any) -> Any:
    """From the folder, and from nowhere else."""
    try:
        return load(given.path, local_files_only=True, trust_remote_code=False, **more)
    except (OSError, ValueError, ImportError, KeyError, RuntimeError, AttributeError, TypeError) as error:
        raise SourceError(f"{given.option} {given.path}: does not load ({_first(error)})") from None


def _first(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
