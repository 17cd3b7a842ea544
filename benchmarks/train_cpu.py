"""Steps per second and peak memory of `lora-doctor train` on the micro Klein, beside the diffusers script's loop.

    python benchmarks/train_cpu.py [--steps 40] [--runs 3] [--batch 4] [--script train_dreambooth_lora_flux2_klein.py]

Each loop trains the same model with the same layers, rank, optimiser and batch, in fp32 on one thread, in a process of
its own, several runs in turns. The other loop (`peer_klein.py`) does per step what the script does; "cached" is the
script with `--cache_latents`, and the prompt encoded once, as it does where all images share one. `--script` also runs
the script itself (it needs torchvision), from a fetched copy of diffusers' examples/dreambooth. Time is the CPU time of
a step, the median of a run and the smallest over the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
WARM = 5  # steps left out
TARGET = 1.3  # times the steps per second of the cached loop
LOOPS = ("lora-doctor", "diffusers, cached", "diffusers")
SCRIPT = "diffusers' script, cached"
RANK, SIDE, IMAGES, PROMPT = 4, 64, 16, "a photo of zwx ring on a table"  # the script's rank
LAYERS = ("to_k", "to_q", "to_v", "to_out.0", "to_qkv_mlp_proj", "single_transformer_blocks.*.attn.to_out")


def targets(blocks: int) -> list[str]:
    """The layers that the script adapts in a model of so many single blocks."""
    return [*LAYERS[:-1], *(LAYERS[-1].replace("*", str(block)) for block in range(blocks))]


def ours(images: Path, steps: int, batch: int) -> list[float]:
    """Seconds of CPU of every step of lora-doctor's own loop, log and live view included."""
    from lora_doctor.lab import micro_klein
    from lora_doctor.train import job as parts
    from lora_doctor.train import run
    from lora_doctor.train.interrupt import Interrupt
    from lora_doctor.train.live import Live
    from lora_doctor.train.start import assemble
    from lora_doctor.train.view import View
    from lora_doctor.train.watch import Halt, State, Watchers

    ticks: list[float] = []

    class Clock(View):
        def step(self, state: State) -> Halt | None:
            ticks.append(time.process_time())
            return super().step(state)

    names = tuple(sorted(path.name for path in images.glob("*.png")))
    blocks = json.loads((micro_klein() / "transformer" / "config.json").read_text())["num_single_layers"]
    job = parts.Job(
        images.parent / "run",
        parts.Model(micro_klein(), "flux2-klein"),
        (parts.Data(images, names, captions="prompt", prompt=PROMPT, resolution=(SIDE,)),),
        parts.Training(steps, batch_size=batch),
        adapter=parts.Adapter(rank=RANK, alpha=RANK, targets=tuple(targets(blocks))),
        captions=parts.Captions(dropout=0.0),
        buckets=parts.Buckets(aspect_ratios=False),
        precision=parts.Precision("fp32", "fp32", "fp32"),
        memory=parts.Memory(gradient_checkpointing=False),
        validation=parts.Validation(held_out=0, every_steps=0),
        saving=parts.Saving(every_steps=10 * steps),
    )
    job.output.mkdir()
    with Interrupt(print) as interrupt:
        run.loop(assemble(job, Watchers((Clock(Live(sys.stderr)),)), lambda _: None, interrupt))
    return differences(ticks)


def theirs(images: Path, steps: int, batch: int, *, cached: bool) -> list[float]:
    """The same of the other loop."""
    from peer_klein import train

    from lora_doctor.lab import micro_klein

    ticks: list[float] = []
    train(
        micro_klein(), sorted(images.glob("*.png")), steps, batch, targets=targets, rank=RANK, side=SIDE, prompt=PROMPT,
        cached=cached, tick=lambda: ticks.append(time.process_time()),
    )  # fmt: skip
    return differences(ticks)


def script(path: Path, images: Path, steps: int, batch: int) -> list[float]:
    """The same of the script itself; it tells its progress bar of every step."""
    import runpy

    import tqdm.auto

    from lora_doctor.lab import micro_klein

    data = images.parent / "alone"  # it opens every file of its folder as an image
    data.mkdir()
    for image in images.glob("*.png"):
        (data / image.name).symlink_to(image.resolve())
    ticks: list[float] = []
    tqdm.auto.tqdm.set_postfix = lambda *_, **__: ticks.append(time.process_time())
    sys.argv = [
        str(path), "--pretrained_model_name_or_path", str(micro_klein()), "--instance_data_dir", str(data),
        "--instance_prompt", PROMPT, "--output_dir", str(images.parent / "out"), "--max_train_steps", str(steps),
        "--train_batch_size", str(batch), "--resolution", str(SIDE), "--text_encoder_out_layers", "1", "2", "3",
        "--max_sequence_length", "24", "--cache_latents", "--skip_final_inference",
    ]  # fmt: skip
    runpy.run_path(str(path), run_name="__main__")
    return differences(ticks)


def differences(ticks: list[float]) -> list[float]:
    return [after - before for before, after in zip(ticks[WARM:], ticks[WARM + 1 :])]


def child(loop: str, images: Path, steps: int, batch: int, path: Path | None) -> None:
    """Run one loop in this process and print its figures."""
    import torch

    torch.set_num_threads(1)
    if loop == LOOPS[0]:
        seconds = ours(images, steps, batch)
    elif path is not None:
        seconds = script(path, images, steps, batch)
    else:
        seconds = theirs(images, steps, batch, cached=loop == LOOPS[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([sorted(seconds)[len(seconds) // 2], peak]))


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def measured(loop: str, images: Path, steps: int, batch: int, path: Path | None = None) -> tuple[float, float]:
    """Seconds of CPU per step, and peak bytes, of one loop in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "images"
        own.symlink_to(images, target_is_directory=True)
        command = [sys.executable, __file__, "--child", loop, str(own), "--steps", str(steps), "--batch", str(batch)]
        command += ["--script", str(path)] if path is not None else []
        run = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr[-2000:])
    seconds, peak = json.loads(run.stdout.splitlines()[-1])
    return seconds, peak


def table(found: dict[str, list[tuple[float, float]]]) -> None:
    base = min(seconds for seconds, _ in found[LOOPS[0]])
    print("| loop | CPU ms per step | lora-doctor's steps per second, times its own | peak memory |\n|---|--:|--:|--:|")
    for loop, runs in found.items():
        best, peak = (min(each) for each in zip(*runs))
        print(f"| {loop} | {best * 1000:.1f} | {best / base:.2f} | {peak / 1e6:,.0f} MB |")
    print(f"target: {TARGET} times the cached loop's")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=4, help="images per step; 4 is the script's")
    parser.add_argument("--script", type=Path, help="the script itself, to run it too")
    parser.add_argument("--child", nargs=2, metavar=("LOOP", "IMAGES"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(wanted.child[0], Path(wanted.child[1]), wanted.steps, wanted.batch, wanted.script)
        return
    from tests.train.process import make_images

    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        images = make_images(Path(folder) / "images", IMAGES)
        for _ in range(wanted.runs):
            for loop in LOOPS:
                found.setdefault(loop, []).append(measured(loop, images, wanted.steps, wanted.batch))
            if wanted.script:
                found.setdefault(SCRIPT, []).append(measured(SCRIPT, images, wanted.steps, wanted.batch, wanted.script))
    table(found)


if __name__ == "__main__":
    main()
