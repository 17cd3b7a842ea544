"""Steps per second and peak memory of `lora-doctor train` on a tiny Klein, beside a loop like the diffusers script's.

    python benchmarks/train_cpu.py [--steps 60] [--runs 3]

The other loop does per step what `examples/dreambooth/train_dreambooth_lora_flux2_klein.py` (diffusers 58eb52c) does:
a DataLoader with its transforms, `accelerator.prepare` and `accumulate`, the VAE (without `--cache_latents`) and the
text encoder (with captions of their own) in every step, LambdaLR, a progress bar's `loss.item()`. "cached" is the best
it can do: latents encoded once, prompts too. Same model, images, rank, optimiser, batch; one thread; each loop in a
process of its own, several interleaved runs. Time is CPU time per step, the smallest run; the first ten steps are left
out.
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
from typing import Any

ROOT = Path(__file__).parent.parent
WARM = 10  # steps left out
TARGET = 1.3  # times the steps per second of the cached loop
LOOPS = ("lora-doctor", "diffusers, cached", "diffusers")
WIDTH, RANK, SIDE, IMAGES = 128, 8, 64, 16


def ours(model: Path, images: Path, steps: int) -> float:
    """Seconds of CPU per step of lora-doctor's own loop, log and live view included."""
    from lora_doctor.train import job as parts
    from lora_doctor.train import run
    from lora_doctor.train.interrupt import Interrupt
    from lora_doctor.train.live import Live
    from lora_doctor.train.start import assemble
    from lora_doctor.train.view import View
    from lora_doctor.train.watch import Halt, State, Watchers

    class Clock(View):
        begun = 0.0

        def step(self, state: State) -> Halt | None:
            if state.step == WARM:
                self.begun = time.process_time()
            return super().step(state)

    names = tuple(sorted(path.name for path in images.glob("*.png")))
    plain = {"base": "fp32", "text_encoder": "fp32", "compute": "fp32"}
    job = parts.Job(
        images.parent / "run",
        parts.Model(model, "flux2-klein"),
        (parts.Data(images, names, resolution=(SIDE,)),),
        parts.Training(steps),
        adapter=parts.Adapter(rank=RANK, alpha=RANK),
        captions=parts.Captions(dropout=0.0),
        precision=parts.Precision(**plain),
        memory=parts.Memory(gradient_checkpointing=False),
        validation=parts.Validation(held_out=0, every_steps=0),
        saving=parts.Saving(every_steps=10 * steps),
    )
    job.output.mkdir()
    clock = Clock(Live(sys.stderr))
    with Interrupt(print) as interrupt:
        run.loop(assemble(job, Watchers((clock,)), lambda _: None, interrupt))
    return (time.process_time() - clock.begun) / (steps - WARM)


def theirs(model: Path, images: Path, steps: int, *, cached: bool) -> float:
    """Seconds of CPU per step of a loop in the manner of the diffusers script."""
    import numpy as np
    import torch
    from accelerate import Accelerator
    from diffusers import Flux2KleinPipeline
    from diffusers.optimization import get_scheduler
    from peft import LoraConfig
    from PIL import Image
    from tqdm import tqdm

    class Folder(torch.utils.data.Dataset[Any]):
        def __init__(self) -> None:
            self.paths = sorted(images.glob("*.png"))

        def __len__(self) -> int:
            return len(self.paths)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
            image = Image.open(self.paths[index]).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
            pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 127.5 - 1
            return pixels, self.paths[index].with_suffix(".txt").read_text()

    from tests.train.tiny import LAYERS, LENGTH

    accelerator = Accelerator(gradient_accumulation_steps=1)
    pipeline = Flux2KleinPipeline.from_pretrained(model)
    for part in (pipeline.vae, pipeline.text_encoder, pipeline.transformer):
        part.requires_grad_(False)
    names = [n for n, m in pipeline.transformer.named_modules() if isinstance(m, torch.nn.Linear)]
    pipeline.transformer.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=names))
    weights = [p for p in pipeline.transformer.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-4, weight_decay=1e-4)
    loader = torch.utils.data.DataLoader(Folder(), batch_size=1, shuffle=True)
    schedule = get_scheduler("constant", optimizer)
    transformer, optimizer, loader, schedule = accelerator.prepare(pipeline.transformer, optimizer, loader, schedule)

    @torch.no_grad()
    def encoded(pixels: torch.Tensor, captions: list[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        prompt, ids = pipeline.encode_prompt(captions, max_sequence_length=LENGTH, text_encoder_out_layers=LAYERS)
        return pipeline._encode_vae_image(pixels, None), prompt, ids

    kept = [encoded(pixels, list(captions)) for pixels, captions in loader] if cached else []
    bar, begun, step = tqdm(total=steps, file=sys.stderr), 0.0, 0
    while step < steps:
        for place, (pixels, captions) in enumerate(loader):
            with accelerator.accumulate(transformer):
                latents, prompt, text_ids = kept[place] if cached else encoded(pixels, list(captions))
                noise = torch.randn_like(latents)
                sigma = torch.sigmoid(torch.randn(len(latents)))
                mixed = (1 - sigma.view(-1, 1, 1, 1)) * latents + sigma.view(-1, 1, 1, 1) * noise
                image_ids = pipeline._prepare_latent_ids(mixed)
                predicted = transformer(
                    hidden_states=pipeline._pack_latents(mixed), encoder_hidden_states=prompt, timestep=sigma,
                    img_ids=image_ids, txt_ids=text_ids, return_dict=False,
                )[0]  # fmt: skip
                loss = ((predicted - pipeline._pack_latents(noise - latents)).float() ** 2).mean()
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(weights, 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
            step += 1
            bar.update(1)
            bar.set_postfix(loss=loss.detach().item(), lr=schedule.get_last_lr()[0])
            if step == WARM:
                begun = time.process_time()
            if step == steps:
                break
    return (time.process_time() - begun) / (steps - WARM)


def child(loop: str, model: Path, images: Path, steps: int) -> None:
    """Run one loop in this process and print its figures."""
    import torch

    torch.set_num_threads(1)
    own = loop == LOOPS[0]
    seconds = ours(model, images, steps) if own else theirs(model, images, steps, cached=loop == LOOPS[1])
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))


def measured(loop: str, model: Path, images: Path, steps: int) -> tuple[float, float]:
    """Seconds of CPU per step, and peak bytes, of one loop in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "images"
        own.symlink_to(images, target_is_directory=True)
        command = [sys.executable, __file__, "--child", loop, str(model), str(own), "--steps", str(steps)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
        run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr[-2000:])
    seconds, peak = json.loads(run.stdout.splitlines()[-1])
    return seconds, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--child", nargs=3, metavar=("LOOP", "MODEL", "IMAGES"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(wanted.child[0], Path(wanted.child[1]), Path(wanted.child[2]), wanted.steps)
        return
    sys.path.insert(0, str(ROOT))
    from tests.train.process import make_images
    from tests.train.tiny import make_klein

    found: dict[str, list[tuple[float, float]]] = {loop: [] for loop in LOOPS}
    with tempfile.TemporaryDirectory() as folder:
        model, images = make_klein(Path(folder) / "klein", width=WIDTH), make_images(Path(folder) / "images", IMAGES)
        for _ in range(wanted.runs):
            for loop in LOOPS:
                found[loop].append(measured(loop, model, images, wanted.steps))
    base = min(seconds for seconds, _ in found[LOOPS[0]])
    print("| loop | CPU ms per step | lora-doctor's steps per second, times its own | peak memory |\n|---|--:|--:|--:|")
    for loop, runs in found.items():
        best = min(seconds for seconds, _ in runs)
        peak = min(peak for _, peak in runs) / 1e6
        print(f"| {loop} | {best * 1000:.1f} | {best / base:.2f} | {peak:,.0f} MB |")
    print(f"target: {TARGET} times the cached loop's")


if __name__ == "__main__":
    main()
