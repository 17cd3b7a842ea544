"""Small encoders of the real classes, saved as their folders are: of random weights, and a CLIP taught colours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    BitImageProcessorPil,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
    VitPoseBackboneConfig,
    VitPoseConfig,
    VitPoseForPoseEstimation,
    YolosConfig,
    YolosForObjectDetection,
    YolosImageProcessorPil,
)

from tests.train.tiny import _clip_tokenizer

SIDE = 64
SMALL: Mapping[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
LENGTH = 40  # tokens of a prompt


class Descriptor(nn.Module):
    """A random network of the form of SSCD's: pictures to vectors of length 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 7, stride=4)

    def forward(self, pixels: Tensor) -> Tensor:
        found = nn.functional.adaptive_avg_pool2d(torch.relu(self.first(pixels)), 8)
        found = (found - found.mean((2, 3), keepdim=True)).flatten(1)
        return nn.functional.normalize(found, dim=1)


def sscd(path: Path) -> Path:
    torch.manual_seed(0)
    script: Any = torch.jit.script
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is, and SSCD is published in it
        script(Descriptor()).save(str(path))
    return path


def dino(folder: Path) -> Path:
    torch.manual_seed(0)
    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14, mlp_ratio=2
    )
    Dinov2Model(config).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}).save_pretrained(folder)
    return folder


def siglip(folder: Path) -> Path:
    torch.manual_seed(0)
    tokenizer = _clip_tokenizer()
    text = {**SMALL, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, "pad_token_id": 0}
    SiglipModel(SiglipConfig(text_config=text, vision_config={**SMALL, "image_size": SIDE, "patch_size": 16})
    ).save_pretrained(folder)  # fmt: skip
    SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def clip(folder: Path, taught: Mapping[str, Sequence[int]] | None = None) -> Path:
    """taught: prompts with the colour (BGR) of pictures that belong to them."""
    torch.manual_seed(0)
    tokenizer = _clip_tokenizer()
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 0}
    text = {**SMALL, **ends, "vocab_size": len(tokenizer), "max_position_embeddings": LENGTH}
    vision = {**SMALL, "image_size": SIDE, "patch_size": 16}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))
    prepare = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    if taught:
        _teach(model, tokenizer, prepare, taught)
    model.save_pretrained(folder)
    prepare.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _teach(model: CLIPModel, tokenizer: Any, prepare: Any, taught: Mapping[str, Sequence[int]]) -> None:
    rng = np.random.default_rng(0)
    words = tokenizer(list(taught), padding=True, return_tensors="pt")
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        images = [tinted(rng, colour)[..., ::-1] for colour in taught.values()]
        pixels = prepare(images=images, return_tensors="pt").pixel_values
        loss = model(**words, pixel_values=pixels, return_loss=True).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def tinted(rng: np.random.Generator, colour: Sequence[int], size: int = 96) -> Any:
    """A picture of shapes, mostly in one colour."""
    image = np.full((size, size, 3), colour, np.float32) + rng.normal(0, 12, (size, size, 3)).astype(np.float32)
    for _ in range(4):
        centre = tuple(int(x) for x in rng.integers(0, size, 2))
        cv2.circle(image, centre, int(rng.integers(4, 14)), tuple(float(x) for x in rng.integers(40, 216, 3)), -1)
    return np.clip(image, 0, 255).astype(np.uint8)


def yolos(folder: Path, sees: str = "hand", sure: float = 6.0) -> Path:
    """A detector whose five tokens all see the same, whatever they look at."""
    torch.manual_seed(0)
    names = {0: "person", 1: "hand"}
    config = YolosConfig(
        **SMALL, image_size=[SIDE, SIDE], patch_size=16, num_detection_tokens=5, use_mid_position_embeddings=False,
        id2label=names, label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    model = YolosForObjectDetection(config)
    with torch.no_grad():
        model.class_labels_classifier.layers[-1].bias.copy_(
            torch.tensor([sure * (name == sees) for name in (*names.values(), "")])
        )
    model.save_pretrained(folder)
    YolosImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def vitpose(folder: Path) -> Path:
    torch.manual_seed(0)
    backbone = VitPoseBackboneConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=(64, 48), patch_size=(16, 16),
        out_indices=[2],
    )  # fmt: skip
    VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=5)).save_pretrained(folder)
    return folder
