"""How often the dataset exam is right, beside cleanvision and imagehash on the same files.

    python benchmarks/dataset_accuracy.py [--json FILE]

Thresholds were set on one half of the photographs ("set"); what counts is the other half ("held out"). A finding is a
finding of the rule itself, as `lora-doctor dataset --resolution 512` makes it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import dataset_pictures as pictures
from dataset_pictures import TRAINING, Picture, Variant

Kinds = dict[str, Callable[[Picture], Picture]]


def scale(image: Picture) -> float:
    """Pixels of the file per pixel at training resolution."""
    return max(1.0, float((image.shape[0] * image.shape[1]) ** 0.5) / TRAINING)


def at_training(make: Callable[[Picture, float], Picture], amount: float) -> Callable[[Picture], Picture]:
    """A change whose amount is meant at training resolution."""
    return lambda image: make(image, amount * scale(image))


BLURRED: Kinds = {
    **{f"gauss-{s}": at_training(pictures.gauss, s) for s in (2, 3, 5, 8)},
    **{f"disk-{r}": (lambda image, r=r: pictures.disk(image, round(r * scale(image)))) for r in (4, 6)},
    **{
        f"motion-{n}-{a}": (lambda image, n=n, a=a: pictures.motion(image, round(n * scale(image)), a))
        for n in (10, 16, 25)
        for a in (0, 35, 90)
    },
    "gauss-3-noise-6": lambda image: pictures.noisy(pictures.gauss(image, 3 * scale(image)), 6, 1),
    "gauss-3-q40": lambda image: _recoded(pictures.gauss(image, 3 * scale(image)), 40),
}
SHARP: Kinds = {
    "as-is": lambda image: image,
    "shallow-12": lambda image: pictures.shallow(image, 0.12),
    "shallow-25": lambda image: pictures.shallow(image, 0.25),
    "on-grey": lambda image: pictures.on_plain(image, 128),
    "on-white": lambda image: pictures.on_plain(image, 255),
    "noise-8": lambda image: pictures.noisy(image, 8, 2),
    "q40": lambda image: _recoded(image, 40),
    "q20": lambda image: _recoded(image, 20),
    "half": lambda image: pictures.resized(image, 0.5),
    "stops-2": lambda image: pictures.exposed(image, -2),
    "stops+1": lambda image: pictures.exposed(image, 1),
    "contrast-0.4": lambda image: pictures.contrast(image, 0.4),
}
DARK: Kinds = {f"stops{n}": (lambda image, n=n: pictures.exposed(image, n)) for n in (-4, -5)}
BRIGHT: Kinds = {f"stops+{n}": (lambda image, n=n: pictures.exposed(image, n)) for n in (3, 4)}
# A stop more burns out a bright sky, two less may leave nothing bright: neither is called right or wrong.
NORMAL: Kinds = {k: SHARP[k] for k in ("as-is", "on-grey", "on-white", "noise-8", "q40", "contrast-0.4")}
UPSCALED: Kinds = {f"up-{f}": (lambda image, f=f: pictures.upscaled(image, f)) for f in (2, 3, 4)}
COPIES: Kinds = {
    "half": lambda image: pictures.resized(image, 0.5),
    "larger": lambda image: pictures.resized(image, 1.3),
    "q30": lambda image: _recoded(image, 30),
    "brighter": lambda image: pictures.exposed(image, 0.6),
    "darker": lambda image: pictures.exposed(image, -0.8),
    "contrast": lambda image: pictures.contrast(image, 0.7),
    "noise": lambda image: pictures.noisy(image, 10, 3),
    "grey": lambda image: pictures._bgr(image.mean(2).astype("uint8")),
    "mirror": lambda image: image[:, ::-1].copy(),
    **{f"crop-{n}": (lambda image, n=n: pictures.cropped(image, n / 100, n)) for n in (5, 10, 20, 30)},
    "turned-3": lambda image: pictures.rotated(image, 3),
    "watermark": lambda image: pictures.labelled(image),
}
PLAIN_COPIES = ("half", "larger", "q30", "brighter", "darker", "contrast", "noise", "grey")


def _recoded(image: Picture, quality: int) -> Picture:
    import cv2
    import numpy as np

    return cv2.imdecode(np.frombuffer(pictures.jpeg(image, quality), np.uint8), cv2.IMREAD_COLOR)


class Files:
    """Variants in a folder, examined by everything."""

    def __init__(self, variants: Iterable[Variant]) -> None:
        self.variants = {variant.name: variant for variant in variants}
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        for variant in self.variants.values():
            (self.folder / variant.name).write_bytes(variant.data)

    def ours(self) -> dict[str, set[str]]:
        """Names flagged by each of our rules, and the groups of copies."""
        from lora_doctor.dataset.exam import exam
        from lora_doctor.dataset.given import Given, given_plan
        from lora_doctor.rule import load_topic

        plan = given_plan(self.folder, Given(resolution=TRAINING))
        with tempfile.TemporaryDirectory() as cache:
            [self.set] = exam(plan, cache=Path(cache) / "cache.sqlite")
        rules = [rule for rule in load_topic("dataset") if rule.fact == "ImageSet"]
        return {rule.id: {name for finding in rule.check(self.set) for name in finding.about} for rule in rules}

    def cleanvision(self) -> dict[str, set[str]]:
        """Names flagged by each of cleanvision's issues."""
        from cleanvision import Imagelab

        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            lab = Imagelab(data_path=str(self.folder))
            lab.find_issues(n_jobs=1)
        issues = lab.issues
        flagged = {
            column[3:-6]: {Path(path).name for path in issues.index[issues[column]]}
            for column in issues.columns
            if column.endswith("_issue")
        }
        self.near = [{Path(path).name for path in group} for group in lab.info["near_duplicates"]["sets"]]
        self.near += [{Path(path).name for path in group} for group in lab.info["exact_duplicates"]["sets"]]
        return flagged


def rates(flagged: set[str], positive: set[str], negative: set[str]) -> dict[str, Any]:
    """Recall, precision, and what was flagged without being one."""
    hits, false = flagged & positive, flagged & negative
    return {
        "recall": len(hits) / max(1, len(positive)),
        "precision": len(hits) / len(hits | false) if hits | false else None,
        "of": [len(positive), len(negative)],
        "false": sorted(false),
        "missed": sorted(positive - flagged),
    }


def judged(files: Files, ours: set[str], theirs: set[str], positive: Kinds, negative: Kinds, half: list[str]) -> Any:
    """One check on one half of the photographs."""
    own = {name: v for name, v in files.variants.items() if v.source in half}
    pos = {name for name, v in own.items() if v.kind in positive}
    neg = {name for name, v in own.items() if v.kind in negative}
    return {"lora-doctor": rates(ours, pos, neg), "cleanvision": rates(theirs, pos, neg)}


def pixel_checks(photos: dict[str, Picture], halves: dict[str, list[str]]) -> dict[str, Any]:
    """Blur, exposure, enlargement."""
    kinds = BLURRED | SHARP | DARK | BRIGHT | UPSCALED
    files = Files(v for name, image in photos.items() for v in pictures.made(name, image, kinds))
    ours, theirs = files.ours(), files.cleanvision()
    soft = ours["blurred-images"] | ours["enlarged-before"]
    checks = {
        "blurred": (ours["blurred-images"], theirs["blurry"], BLURRED, SHARP),
        "under-exposed": (ours["underexposed-images"], theirs["dark"], DARK, NORMAL),
        "over-exposed": (ours["overexposed-images"], theirs["light"], BRIGHT, NORMAL),
        "enlarged": (soft, theirs["blurry"], UPSCALED, {"as-is": SHARP["as-is"], "half": SHARP["half"]}),
    }
    return {
        check: {half: judged(files, *rest, names) for half, names in halves.items()} for check, rest in checks.items()
    } | {"measured": {image.name: [image.blur_at(TRAINING), image.detail, image.noise] for image in files.set.images}}


def copies(photos: dict[str, Picture], halves: dict[str, list[str]]) -> dict[str, Any]:
    """Near duplicates: pairs of an original and a copy, against pairs of different photographs.

    Quarters of the textures, the galaxies and the moon are different pictures of one kind: hard to tell apart.
    """
    found = {}
    for half, names in halves.items():
        own = {name: photos[name] for name in names}
        for name in ("brick", "grass", "gravel", "hubble_deep_field", "immunohistochemistry", "moon"):
            if name in own:
                image = own.pop(name)
                high, wide = image.shape[0] // 2, image.shape[1] // 2
                parts = {
                    "a": image[:high, :wide],
                    "b": image[high:, :wide],
                    "c": image[:high, wide:],
                    "d": image[high:, wide:],
                }
                own |= {f"{name}-{part}": piece.copy() for part, piece in parts.items()}
        variants = [
            v for name, image in own.items() for v in pictures.made(name, image, {"as-is": SHARP["as-is"], **COPIES})
        ]
        files = Files(variants)
        files.ours()
        files.cleanvision()
        groups = {"lora-doctor": [set(group.names) for group in files.set.copies], "cleanvision": files.near}
        groups["imagehash"] = _phash(files, 10)
        found[half] = {tool: _pairs(files, sets) for tool, sets in groups.items()}
    return found


def _phash(files: Files, limit: int) -> list[set[str]]:
    """Pairs whose 64-bit pHash differs in at most `limit` bits."""
    import imagehash
    from PIL import Image

    hashes = {name: imagehash.phash(Image.open(files.folder / name)) for name in files.variants}
    names = list(hashes)
    return [
        {one, other} for i, one in enumerate(names) for other in names[i + 1 :] if hashes[one] - hashes[other] <= limit
    ]


def _pairs(files: Files, groups: list[set[str]]) -> dict[str, Any]:
    together: dict[str, set[str]] = {name: set() for name in files.variants}
    for group in groups:
        for name in group:
            together[name] |= group - {name}
    recall = {}
    for kind in COPIES:
        copies = [v for v in files.variants.values() if v.kind == kind]
        recall[kind] = sum(f"{v.source}__as-is.jpg" in together[v.name] for v in copies) / len(copies)
    pairs = {frozenset((name, other)) for name, others in together.items() for other in others}
    right = sum(len({files.variants[name].source for name in pair}) == 1 for pair in pairs)
    wrong = [sorted(pair) for pair in pairs if len({files.variants[name].source for name in pair}) > 1]
    plain = sum(recall[kind] for kind in PLAIN_COPIES) / len(PLAIN_COPIES)
    return {
        "recall": sum(recall.values()) / len(recall),
        "plain": plain,
        "precision": right / len(pairs) if pairs else None,
        "by kind": recall,
        "wrong": wrong[:5],
        "files": len(files.variants),
    }


def jpeg_quality(photos: dict[str, Picture]) -> dict[str, Any]:
    """Qualities 10 to 95 read from the tables; traces of them in a PNG; clean PNGs."""
    from lora_doctor.dataset.examine import examine
    from lora_doctor.dataset.thresholds import GRID

    exact, traced, clean = [], {}, []
    for image in photos.values():
        for quality in range(10, 100, 5):
            data = pictures.jpeg(image, quality)
            exact.append(examine("a.jpg", data).facts.quality == quality)
            found = examine("a.png", pictures.png(_recoded(image, quality))).facts.blocks
            traced.setdefault(quality, []).append((found or 0) > GRID)
        shrunk = pictures.resized(image, 0.7)
        clean.append((examine("a.png", pictures.png(shrunk)).facts.blocks or 0) > GRID)
    return {
        "quality exact": sum(exact) / len(exact),
        "grid in a PNG": {quality: sum(hits) / len(hits) for quality, hits in traced.items()},
        "false": sum(clean) / len(clean),
    }


def show(whole: dict[str, Any]) -> None:
    """Tables for people."""
    print("check          half      tool         recall  precision  (positives, negatives)")
    for check in ("blurred", "under-exposed", "over-exposed", "enlarged"):
        for half, tools in whole["pixels"][check].items():
            for tool, r in tools.items():
                precision = "    -" if r["precision"] is None else f"{r['precision']:5.2f}"
                print(f"{check:14} {half:9} {tool:12} {r['recall']:6.2f}  {precision}      {tuple(r['of'])}")
                if tool == "lora-doctor" and r["false"]:
                    print(f"{'':25}false: {', '.join(r['false'][:6])}")
    print("\nnear duplicates          recall  plain copies  precision")
    for half, tools in whole["copies"].items():
        for tool, r in tools.items():
            precision = "-" if r["precision"] is None else f"{r['precision']:.3f}"
            print(f"{half:9} {tool:14} {r['recall']:6.2f}  {r['plain']:12.2f}  {precision}")
    for kind in COPIES:
        row = "  ".join(f"{tool} {r['by kind'][kind]:.2f}" for tool, r in whole["copies"]["held out"].items())
        print(f"  {kind:10} {row}")
    print("\nJPEG", json.dumps(whole["jpeg"]))
    print("soft by themselves", whole["soft"])


def soft() -> dict[str, Any]:
    """The two photographs that are not sharp."""
    from lora_doctor.dataset.examine import examine

    return {
        name: examine(name, pictures.png(image)).facts.blur_at(TRAINING)
        for name, image in pictures.soft_sources().items()
    }


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    photos = pictures.sources()
    first, second = pictures.halves(list(photos))
    halves = {"set": first, "held out": second}
    whole = {
        "halves": halves,
        "pixels": pixel_checks(photos, halves),
        "copies": copies(photos, halves),
        "jpeg": jpeg_quality(photos),
        "soft": soft(),
    }
    show(whole)
    if options.json:
        options.json.write_text(json.dumps(whole, indent=1))


if __name__ == "__main__":
    main()
