"""How fast LoRA files are answered for, beside torch in the same run.

    python benchmarks/adapter_speed.py [--rank 128] [--folder /tmp]

Needs the extras `data` and `train` (for the peer), and room for the file: 0.7 GB at rank 128. The file is deleted.
Header: the installed command in a fresh process, then further files in one process: the median CPU time of files that
all differ, in rank (names as in the first file), and in their layers as well (each leaves out another block, so that no
two have the same names). The fastest of several such processes counts: the machine has other work. Weights: every
layer of a LoRA over all of Klein 9B, with the peak memory of that process. Peer: `torch.linalg.svd` of one layer's
product, against this tool's spectrum of the same layer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lora_doctor.adapter.sample import Sample, write_sample

LAYER = r"^double_blocks\.0\.img_attn\.proj$"
RUNS = 7
ATTENTION = r"^(in|out)put_blocks\.\d\.1\.|^middle_block\.1"


def clip(number: int, layers: int, width: int, rank: int) -> dict[str, list[int]]:
    """A text encoder's layers as sd-scripts names them."""
    sizes = {f"self_attn_{part}_proj": (width, width) for part in ("q", "k", "v", "out")}
    sizes.update(mlp_fc1=(width, 4 * width), mlp_fc2=(4 * width, width))
    shapes: dict[str, list[int]] = {}
    for layer, (name, (inputs, outputs)) in itertools.product(range(layers), sizes.items()):
        stem = f"lora_te{number}_text_model_encoder_layers_{layer}_{name}"
        shapes[f"{stem}.lora_down.weight"] = [rank, inputs]
        shapes[f"{stem}.lora_up.weight"] = [outputs, rank]
        shapes[f"{stem}.alpha"] = []
    return shapes


# What a trainer writes by default: every block; of SDXL's UNet the attention blocks, 2166 tensors, and with both text
# encoders 2958.
FILES = {
    "klein_9b_comfyui": Sample("flux2-klein-9b", "comfyui", targets="blocks"),
    "sana_1.6b_diffusers": Sample("sana-1.6b", "diffusers", targets="blocks"),
    "flux1_kohya": Sample("flux1-dev", "kohya", targets="blocks", alpha=1.0),
    "sdxl_kohya": Sample("sdxl", "kohya", targets=ATTENTION, alpha=1.0),
    "sdxl_kohya_text_encoders": Sample("sdxl", "kohya", targets=ATTENTION, alpha=1.0),
}

FURTHER = """
import statistics, sys, time
from lora_doctor.adapter.facts import coverage_of, examine
from lora_doctor.adapter.judge import judge
from lora_doctor.cli.adapters import uncollected
times, kept = [], []
with uncollected():
    for path in sys.argv[1:]:
        start = time.process_time()
        kept.append(examine(path))
        coverage_of(kept[-1])
        judge(kept[-1:])
        times.append(time.process_time() - start)
print(statistics.median(times[1:]))
"""
WEIGHTS = """
import contextlib, io, resource, sys, time
from lora_doctor.cli import run
start, out = time.perf_counter(), io.StringIO()
with contextlib.redirect_stdout(out):
    run(["inspect", sys.argv[1], "--weights"])
seconds = time.perf_counter() - start
assert "121 sound, 0 dead, 0 with NaN" in out.getvalue(), out.getvalue()
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
PEER = """
import sys, time
from lora_doctor.adapter.extra import need
need("numpy")
import torch
from safetensors.torch import load_file
from lora_doctor.adapter.arrays import Weights
from lora_doctor.adapter.facts import examine
from lora_doctor.adapter.factors import spectrum
adapter = examine(sys.argv[1])
(layer,) = adapter.layers
def ours():
    with Weights(adapter.file) as weights:
        return spectrum(weights, layer, 1.0)
def peer():
    get = load_file(sys.argv[1])
    up, down = (next(v.float() for k, v in get.items() if s in k) for s in ("lora_B", "lora_A"))
    return torch.linalg.svdvals(up @ down)
ours()
start = time.perf_counter(); mine = ours(); middle = time.perf_counter(); theirs = peer(); end = time.perf_counter()
count = min(len(mine), 16)
error = max(abs(a - float(b)) / float(b) for a, b in zip(mine[:count], theirs[:count]))
print(middle - start, end - middle, error)
"""


def best(command: list[str]) -> float:
    """Seconds of the fastest of several fresh processes."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)


def numbers(code: str, *args: object) -> list[float]:
    """What a process prints."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, args)], check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]


def varied(folder: Path, name: str, *, blocks: bool) -> list[Path]:
    """Files that differ in rank; with `blocks`, each lacks the layers of another block."""
    paths = []
    for i in range(RUNS):
        sample = FILES[name]._replace(rank=i + 1, drop=rf"^[a-z_.]*blocks[._]{i}[._]" if blocks else None)
        if name.endswith("text_encoders"):
            sample = sample._replace(extra={**clip(1, 12, 768, i + 1), **clip(2, 32, 1280, i + 1)})
        paths.append(write_sample(folder / f"{name}-{i}{'-blocks' if blocks else ''}.safetensors", sample))
    return paths


def further(paths: list[Path]) -> float:
    """Seconds for one of several files, after the first."""
    return min(numbers(FURTHER, *paths)[0] for _ in range(5))


def main() -> None:
    """Run everything; prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rank", type=int, default=128)
    parser.add_argument("--no-peer", action="store_true", help="Leave torch's minute out.")
    parser.add_argument("--folder", default=tempfile.gettempdir())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        print(json.dumps(measured(Path(name), options.rank, peer=not options.no_peer), indent=2))


def measured(folder: Path, rank: int, *, peer: bool) -> dict[str, float]:
    """All figures; seconds unless the name says otherwise."""
    ranks = {name: varied(folder, name, blocks=False) for name in FILES}
    layers = {name: varied(folder, name, blocks=True) for name in FILES}
    command = str(Path(sys.executable).parent / "lora-doctor")
    one = write_sample(folder / "one.safetensors", Sample("flux2-klein-9b", "comfyui", targets=LAYER, rank=rank))
    big = write_sample(folder / "big.safetensors", Sample("flux2-klein-9b", "comfyui", rank=rank))
    seconds, memory = numbers(WEIGHTS, big)
    figures = {
        "header_cold": best([command, "inspect", str(ranks["klein_9b_comfyui"][0])]),
        "header_cold_sdxl": best([command, "inspect", str(ranks["sdxl_kohya"][0])]),
        "python_itself": best([sys.executable, "-c", "pass"]),
        **{f"header_further_file_{name}": further(paths) for name, paths in ranks.items()},
        **{f"header_further_file_of_other_layers_{name}": further(paths) for name, paths in layers.items()},
        "big_file_megabytes": big.stat().st_size / 1e6,
        "weights_all_layers": seconds,
        "weights_peak_megabytes": memory,
    }
    if peer:
        ours, theirs, error = numbers(PEER, one)
        figures["one_layer_spectrum"] = ours
        figures["one_layer_torch_svd_of_product"] = theirs
        figures["times_faster_than_torch_svd"] = theirs / ours
        figures["largest_relative_difference_of_16_values"] = error
    return figures


if __name__ == "__main__":
    main()
