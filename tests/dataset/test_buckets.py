"""Bucket arithmetic of each trainer, on sizes worked out by hand from its source."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Call, Examine

CASES = [
    # diffusion-pipe: the nearest of 7 ratios from 0.5 to 2 in log space, sides rounded to 16
    ("diffusion-pipe", 1024, "1024x1024", (1024, 1024), 1.0, 0.0),
    ("diffusion-pipe", 512, "600x400", (640, 400), 640 / 600, 1 - 640 * 400 / (640 * 400 / 600 * 640)),
    # ai-toolkit: floor or ceiling to 16, what comes nearest to the area, never above the resolution's
    ("ai-toolkit", 512, "300x300", (304, 304), 304 / 300, 0.0),
    ("ai-toolkit", 1024, "2000x1000", (1456, 720), 0.728, 1 - 720 / 728),
    # sd-scripts: the nearest ratio of its list of multiples of 64
    ("sd-scripts", 512, "512x512", (512, 512), 1.0, 0.0),
    ("sd-scripts", 512, "900x600", (640, 384), 640 / 900, 1 - 640 * 384 / (640 * 640 * 600 / 900)),
    # musubi-tuner: the nearest ratio of its list of multiples of 16
    ("musubi-tuner", 512, "512x512", (512, 512), 1.0, 0.0),
    # SimpleTuner: the area at the image's ratio, rounded to 64
    ("SimpleTuner", 1024, "1000x1000", (1024, 1024), 1.024, 0.0),
    # OneTrainer: the nearest height/width of 17 shapes, sides rounded to 64
    ("OneTrainer", 1024, "1000x1000", (1024, 1024), 1.024, 0.0),
    ("OneTrainer", 1024, "1600x900", (1344, 768), 768 / 900, 1 - 1344 / (1600 * 768 / 900)),
    ("OneTrainer", 512, "300x1200", (256, 1024), 256 / 300, 0.0),
    # our own: the area at the image's ratio up to 2, rounded to 16, not enlarged
    ("lora-doctor", 1024, "320x320", (320, 320), 1.0, 0.0),
    ("lora-doctor", 512, "1024x256", (720, 368), None, None),
]


@pytest.mark.parametrize(("trainer", "edge", "size", "bucket", "scale", "lost"), CASES)
def test_bucket(examine: Examine, trainer, edge, size, bucket, scale, lost) -> None:  # type: ignore[no-untyped-def]
    [fate] = examine(f"a.png: {size} flat", trainer=trainer, resolution=edge).fates
    [placed] = fate.placed.values()
    if trainer == "lora-doctor" and scale is None:
        assert placed.scale <= 1.5
        assert placed.width / placed.height == pytest.approx(2, rel=0.05)
        assert placed.lost == pytest.approx(0.5, abs=0.03)
        return
    assert (placed.width, placed.height) == bucket
    assert placed.scale == pytest.approx(scale)
    assert placed.lost == pytest.approx(lost, abs=0.003)


def test_a_trainer_that_is_not_known_has_no_buckets(examine: Examine) -> None:
    assert examine("a.png: 64x64 flat").fates == ()


def test_exif_turns_the_bucket_only_where_the_trainer_does(examine: Examine) -> None:
    text = "a.jpg: 600x400 photo exif=6"
    [turned] = examine(text, trainer="ai-toolkit", resolution=512).fates
    [lying] = examine("", trainer="sd-scripts", resolution=512).fates
    assert list(turned.placed) == [(400, 600)]
    assert list(lying.placed) == [(600, 400)]


def test_what_fills_no_batch(examine: Examine) -> None:
    text = "\n".join(f"{i}.png: 64x64 photo" for i in range(5)) + "\nw.png: 128x64 photo"
    [pipe] = examine(text, trainer="diffusion-pipe", resolution=64, batch=2, accumulation=2).fates
    assert (pipe.batch, pipe.unseen) == (4, 2)
    [padded] = examine("", trainer="ai-toolkit", resolution=64, batch=4).fates
    assert (padded.unseen, padded.extra) == (0, 6)
    for trainer in ("SimpleTuner", "OneTrainer"):
        [simple] = examine("", trainer=trainer, resolution=256, batch=2).fates
        assert simple.unseen == 1


def test_onetrainer_reads_shapes_from_its_config(call: Call, folder: Path, tmp_path: Path) -> None:
    from lora_doctor.dataset.described import write_described

    write_described("\n".join(f"{i}.png: 300x400 photo" for i in range(4)) + "\nw.png: 400x300 photo", folder)
    config: dict[str, Any] = {
        "__version": 11,
        "training_method": "LORA",
        "model_type": "STABLE_DIFFUSION_XL_10_BASE",
        "resolution": "512",
        "batch_size": 4,
        "concepts": [{"path": str(folder), "image": {}, "text": {"prompt_source": "sample"}}],
    }

    def buckets(**changes: Any) -> dict[str, Any]:
        (tmp_path / "run.json").write_text(json.dumps(config | changes))
        ran = call("dataset", "--config", tmp_path / "run.json", "--json")
        [fate] = json.loads(ran.out)["dataset"][0]["buckets"]
        return dict(fate)

    automatic = buckets()
    assert [(b["width"], b["height"], b["images"]) for b in automatic["buckets"]] == [(448, 576, 4), (576, 448, 1)]
    assert automatic["never_seen"] == 1
    fixed = buckets(resolution="832x1216")
    assert [(b["width"], b["height"], b["images"]) for b in fixed["buckets"]] == [(832, 1216, 5)]
    image = {"enable_resolution_override": True, "resolution_override": "256"}
    own = buckets(concepts=[config["concepts"][0] | {"image": image}])
    assert {(b["width"], b["height"]) for b in own["buckets"]} == {(256, 256), (320, 192)}  # 4:3 is nearer to 5:3
    square = buckets(aspect_ratio_bucketing=False)
    assert [(b["width"], b["height"]) for b in square["buckets"]] == [(512, 512)]
