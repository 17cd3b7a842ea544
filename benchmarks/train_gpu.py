"""Training steps of full-size models on a GPU: time, peak memory and utilisation, 1024 px, bf16, LoRA with fused AdamW.

    python benchmarks/train_gpu.py [--tiny] [--steps 12] [--only NAME...] [--minutes 9]

Models are built from their configs with random weights on the device (nothing is loaded or fetched), and stepped by
lora-doctor's own loop functions. Utilisation is model FLOPs (counted by torch once, without recomputation: the forward
pass, gradients of activations, gradients of the adapter; frozen weights get none) per second, by what the card reaches
in a bf16 product of 8192 x 8192 matrices. "recomputed" is gradient checkpointing; "layers of PEFT" are the linear
layers as diffusers and PEFT compute them. The table comes last, also where the run is ended early; a model that fails
has its reason there. `--tiny` tries the code with small models on a CPU. Ten minutes are enough for all of it.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from peft.tuners import lora
from torch.utils.flop_counter import FlopCounterMode

from lora_doctor.train import adapters, families, optimizers, run
from lora_doctor.train.families import Models
from lora_doctor.train.feed import Loaded
from lora_doctor.train.folder import RunFolder
from lora_doctor.train.job import Adapter, Job, Model, Optimizer, Training
from lora_doctor.train.layer import quicken
from lora_doctor.train.watch import Watchers

KLEIN = {"patch_size": 1, "in_channels": 128, "attention_head_dim": 128, "timestep_guidance_channels": 256,
         "axes_dims_rope": (32, 32, 32, 32), "guidance_embeds": False}  # fmt: skip
SDXL = {
    "sample_size": 128, "block_out_channels": (320, 640, 1280), "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20), "transformer_layers_per_block": (1, 2, 10), "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip


class Case(NamedTuple):
    """A model: its class and config, latents of one 1024 px image, and what its prompts look like."""

    name: str
    family: str
    kind: str
    config: dict[str, Any]
    latents: tuple[int, int, int]
    prompts: Callable[[], dict[str, torch.Tensor]]


def klein(width: int, tokens: int = 512) -> Callable[[], dict[str, torch.Tensor]]:
    return lambda: {"prompt_embeds": torch.randn(1, tokens, width)}


def sana(width: int, tokens: int = 300) -> Callable[[], dict[str, torch.Tensor]]:
    return lambda: {
        "prompt_embeds": torch.randn(1, tokens, width),
        "prompt_attention_mask": torch.ones(1, tokens, dtype=torch.long),
    }


def sdxl(width: int, pooled: int) -> Callable[[], dict[str, torch.Tensor]]:
    return lambda: {"prompt_embeds": torch.randn(1, 77, width), "pooled_prompt_embeds": torch.randn(1, pooled)}


FULL = (
    Case("SANA 1.6B", "sana", "SanaTransformer2DModel",
         {"num_layers": 20, "num_attention_heads": 70, "num_cross_attention_heads": 20, "cross_attention_dim": 2240},
         (32, 32, 32), sana(2304)),
    Case("SDXL", "sdxl", "UNet2DConditionModel", SDXL, (4, 128, 128), sdxl(2048, 1280)),
    Case("Klein 4B", "flux2-klein", "Flux2Transformer2DModel",
         KLEIN | {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24, "joint_attention_dim": 7680},
         (128, 64, 64), klein(7680)),
    Case("Klein 9B", "flux2-klein", "Flux2Transformer2DModel",
         KLEIN | {"num_layers": 8, "num_single_layers": 24, "num_attention_heads": 32, "joint_attention_dim": 12288},
         (128, 64, 64), klein(12288)),
)  # fmt: skip
TINY = (
    Case("SANA tiny", "sana", "SanaTransformer2DModel",
         {"in_channels": 4, "out_channels": 4, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 8,
          "num_cross_attention_heads": 2, "cross_attention_head_dim": 8, "cross_attention_dim": 16,
          "caption_channels": 8, "sample_size": 8}, (4, 8, 8), sana(8, 16)),
    Case("SDXL tiny", "sdxl", "UNet2DConditionModel",
         SDXL | {"block_out_channels": (32, 64, 64), "cross_attention_dim": 64, "attention_head_dim": (2, 4, 4),
                 "transformer_layers_per_block": 1, "addition_time_embed_dim": 8, "sample_size": 16,
                 "projection_class_embeddings_input_dim": 80}, (4, 16, 16), sdxl(64, 32)),
    Case("Klein tiny", "flux2-klein", "Flux2Transformer2DModel",
         KLEIN | {"in_channels": 16, "num_layers": 1, "num_single_layers": 2, "attention_head_dim": 16,
                  "num_attention_heads": 2, "joint_attention_dim": 48, "axes_dims_rope": (4, 4, 4, 4)},
         (16, 8, 8), klein(48, 16)),
)  # fmt: skip


RECOMPUTED, PLAIN = "recomputed", "layers of PEFT"
WAYS = ("", RECOMPUTED, PLAIN)


class Result(NamedTuple):
    """One row: parameters, seconds per step (median), peak bytes, model FLOPs per step."""

    parameters: int
    seconds: float
    peak: float
    flops: float


def built(case: Case, device: torch.device, dtype: torch.dtype) -> tuple[Any, Models]:
    """The family and its models, with a random denoiser alone."""
    import diffusers

    torch.set_default_dtype(dtype)
    try:
        with device:
            denoiser = getattr(diffusers, case.kind)(**case.config).requires_grad_(False)
    finally:
        torch.set_default_dtype(torch.float32)
    if case.family == "sdxl":
        scheduler = diffusers.DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    else:
        scheduler = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    family = families.family_named(case.family)
    return family, Models(None, denoiser, None, (), (), scheduler, device, dtype, 1024, 512)


def made(case: Case, device: torch.device, dtype: torch.dtype, rank: int, *, plain: bool) -> run.Run:
    """A run of one image, without a folder; `plain`: with the layers as diffusers and PEFT have them."""
    family, models = built(case, device, dtype)
    if not plain:
        quicken(models.denoiser)  # as `lora_doctor.train.loading` does
    job = Job(Path(), Model(Path(), case.family), (), Training(1), adapter=Adapter(rank=rank, alpha=float(rank)),
              optimizer=Optimizer("adamw", 1e-4))  # fmt: skip
    adapters.inject(family, models, job.adapter, dtype="fp32", seed=0)
    if plain:
        for layer in models.denoiser.modules():
            if isinstance(layer, lora.Linear):
                layer.__class__ = lora.Linear
    weights = adapters.trainable(family, models)
    optimizer = optimizers.build(job, [{"params": list(weights.values()), "lr": 1e-4}])
    return run.Run(job, RunFolder(Path()), family, models, weights, None, optimizer, None, Accelerator(),  # type: ignore[arg-type]
                   Watchers(), None)  # type: ignore[arg-type]  # fmt: skip


def step(one: run.Run, batch: Loaded, seed: int) -> None:
    """Forward, backward, clip, step."""
    one.accelerator.backward(run.forward(one, run.asked(one, batch, seed)).loss)
    torch.nn.utils.clip_grad_norm_(list(one.weights.values()), 1.0)
    one.optimizer.step()
    one.optimizer.zero_grad(set_to_none=True)


def measured(case: Case, device: torch.device, dtype: torch.dtype, steps: int, rank: int, how: str) -> Result:
    """One model's figures, `how` being one of `WAYS`."""
    one, recompute = made(case, device, dtype, rank, plain=how == PLAIN), how == RECOMPUTED
    edge = case.latents[1] * (8 if case.family == "sdxl" else 16)
    sizes = torch.tensor([[edge, edge, 0, 0, edge, edge]], dtype=torch.float32)
    batch = Loaded(torch.randn(1, *case.latents), case.prompts(), None, sizes, 1.0, ("",), (0,))
    flops = counted(one, batch, recompute=recompute)
    step(one, batch, 1)
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    times = []
    for number in range(steps):
        begun = time.perf_counter()
        step(one, batch, 2 + number)
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    peak = float(torch.cuda.max_memory_allocated()) if device.type == "cuda" else float("nan")
    count = sum(p.numel() for p in one.models.denoiser.parameters())
    return Result(count, sorted(times)[len(times) // 2], peak, flops)


def counted(one: run.Run, batch: Loaded, *, recompute: bool) -> float:
    """Model FLOPs of a step; what is computed again for the backward pass, a forward pass in all, does not count."""
    again = 0.0
    if recompute:
        with FlopCounterMode(display=False) as forward, torch.no_grad():
            run.forward(one, run.asked(one, batch, 0))
        again = float(forward.get_total_flops())
        one.models.denoiser.enable_gradient_checkpointing()
    with FlopCounterMode(display=False) as whole:
        step(one, batch, 0)
    return float(whole.get_total_flops()) - again


def matmul_rate(device: torch.device, dtype: torch.dtype, side: int) -> float:
    """FLOPs per second that the device reaches in a large product, best of ten."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(10):
        begun = time.perf_counter()
        a @ b
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begun)
    return 2.0 * side**3 / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="small models, in fp32 on the CPU: tries the code")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="models, such as 'Klein 9B'")
    parser.add_argument("--minutes", type=float, default=9.0, help="what begins later than this is left out")
    wanted = parser.parse_args()
    if not wanted.tiny and not torch.cuda.is_available():
        raise SystemExit("no GPU here: --tiny tries the code on the CPU")
    device, dtype = (torch.device("cpu"), torch.float32) if wanted.tiny else (torch.device("cuda"), torch.bfloat16)
    begun, rate = time.monotonic(), matmul_rate(device, dtype, 512 if wanted.tiny else 8192)
    rows: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as `timeout` ends it: with what there is
    try:
        for case in TINY if wanted.tiny else FULL:
            for how in WAYS if not wanted.only or case.name in wanted.only else ():
                if time.monotonic() - begun > 60 * wanted.minutes:
                    rows.append(left_out(case, how, "no time left"))
                else:
                    rows.append(row(case, how, device, dtype, wanted, rate))
                print(rows[-1], flush=True)
                gc.collect()
                torch.cuda.empty_cache()
    finally:
        table(rows, device, dtype, rate)


def row(case: Case, how: str, device: torch.device, dtype: torch.dtype, wanted: argparse.Namespace, rate: float) -> str:
    """A line of the table; of a model that fails, why."""
    try:
        found = measured(case, device, dtype, wanted.steps, wanted.rank, how)
    except Exception as error:  # whatever it is, the other models have their turn
        why = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        return left_out(case, how, "out of memory" if isinstance(error, torch.OutOfMemoryError) else why)
    share = found.flops / found.seconds / rate
    peak = "" if wanted.tiny else f"{found.peak / 1e9:.1f} GB"
    return (f"| {label(case, how)} | {found.parameters / 1e6:,.1f} M | {found.seconds * 1000:,.0f} | {peak} | "
            f"{found.flops / 1e12:.3g} T | {share:.1%} |")  # fmt: skip


def label(case: Case, how: str) -> str:
    return case.name + (f", {how}" if how else "")


def left_out(case: Case, how: str, why: str) -> str:
    return f"| {label(case, how)} | | {why} | | | |"


def table(rows: list[str], device: torch.device, dtype: torch.dtype, rate: float) -> None:
    """Everything that was measured, last."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    kind = str(dtype).removeprefix("torch.")
    print(f"\n{name}: {rate / 1e12:.3g} TFLOP/s in a {kind} product, torch {torch.__version__}")
    print("| model | weights | ms per step | peak memory | model FLOPs per step | utilisation |")
    print("|---|--:|--:|--:|--:|--:|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
