"""Random runs, said in lora-doctor's own config, which hides nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lora_doctor.dialects import native
from lora_doctor.dialects.reader import Reader
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_text
from lora_doctor.source.render import Row, toml

MODELS = {
    "flux2-klein": ("black-forest-labs/FLUX.2-klein-base-4B", "black-forest-labs/FLUX.2-klein-base-9B"),
    "sana": ("Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers",),
    "sdxl": ("stabilityai/stable-diffusion-xl-base-1.0", "models/sd_xl_base_1.0.safetensors"),
}
FOLDERS = ("data/zwx", "/srv/images/ring, gold", "C:\\data\\new ring", "D:/data/zwx", "\\\\nas\\share\\ring", "é/é")
PROMPTS = ("zwx, a ring on slate", 'a ring on sand: "gold"', "it's a ring # no comment", "指輪")
TARGETS = (None, "all-linear", ["to_q", "to_k", "to_v"], ["to_q", "to_k", "to_v", "to_out.0"])


def rates() -> st.SearchStrategy[float]:
    """Learning rates with a few digits."""
    return st.builds(lambda digits, power: float(f"{digits}e-{power}"), st.integers(1, 99), st.integers(4, 7))


@st.composite
def runs(draw: st.DrawFn, family: str) -> dict[str, Any]:
    """The keys of one run, dotted; what is None is not written."""
    rank = draw(st.integers(1, 128))
    count = draw(st.integers(1, 2))
    found: dict[str, Any] = {
        "output": draw(st.sampled_from(("runs/zwx", "D:\\runs\\zwx"))),
        "model.path": draw(st.sampled_from(MODELS[family])),
        "adapter.rank": rank,
        "adapter.alpha": draw(st.one_of(st.none(), st.integers(1, 128))),
        "adapter.dropout": draw(st.sampled_from((0.0, 0.1))),
        "adapter.targets": draw(st.sampled_from(TARGETS)),
        "captions.trigger": draw(st.sampled_from((None, "zwx"))),
        "captions.dropout": draw(st.sampled_from((0.0, 0.05))),
        "captions.shuffle_tags": draw(st.booleans()),
        "buckets.aspect_ratios": draw(st.booleans()),
        "training.steps": draw(st.integers(10, 20_000)),
        "training.batch_size": draw(st.integers(1, 8)),
        "training.accumulation": draw(st.integers(1, 8)),
        "training.seed": draw(st.integers(0, 2**31 - 1)),
        "optimizer.name": draw(st.sampled_from(("adamw", "adamw8bit", "prodigy", "adafactor", "lion"))),
        "optimizer.learning_rate": draw(rates()),
        "optimizer.weight_decay": draw(st.sampled_from((0.0, 1e-4, 0.01, 0.1))),
        "optimizer.gradient_clip": draw(st.sampled_from((0.5, 1.0))),
        "schedule.name": draw(st.sampled_from(("constant", "linear", "cosine"))),
        "schedule.warmup_steps": draw(st.sampled_from((0, 20, 100))),
        "precision.compute": "bf16",
        "precision.base": draw(st.sampled_from(("bf16", "fp8", "int8"))),
        "memory.gradient_checkpointing": draw(st.booleans()),
        "validation.prompts": draw(st.lists(st.sampled_from(PROMPTS), max_size=3, unique=True)),
        "validation.every_steps": draw(st.integers(1, 1000)),
        "validation.held_out": 0,
        "validation.size": [1024, 1024],
        "validation.guidance": draw(st.sampled_from((3.5, 4.0))),
        "validation.sampler_steps": draw(st.integers(10, 50)),
        "validation.seed": draw(st.integers(0, 9999)),
        "saving.every_steps": draw(st.integers(1, 1000)),
        "saving.keep": draw(st.sampled_from((0, 3, 20))),
    }
    if found["captions.shuffle_tags"]:
        found["captions.keep_tags"] = draw(st.integers(0, 2))
    if found["schedule.warmup_steps"] and found["schedule.name"] == "constant":
        found["schedule.name"] = "constant_with_warmup"
    if family == "sdxl":
        found["timesteps.min_snr_gamma"] = draw(st.sampled_from((None, 5)))
    else:
        found["timesteps.sampling"] = draw(st.sampled_from(("logit_normal", "uniform")))
        found["timesteps.shift"] = draw(st.sampled_from(("resolution", 1.0, 3.0)))
    folders = draw(st.lists(st.sampled_from(FOLDERS), min_size=count, max_size=count, unique=True))
    for index, folder in enumerate(folders):
        found[f"data.{index}.folder"] = folder
        found[f"data.{index}.repeats"] = draw(st.integers(1, 10))
        found[f"data.{index}.caption_extension"] = draw(st.sampled_from((".txt", ".caption")))
        found[f"data.{index}.resolution"] = draw(st.sampled_from((512, 1024, [512, 768])))
    return {key: value for key, value in found.items() if value is not None}


def plan_of(values: dict[str, Any]) -> Plan:
    """The plan of a run."""
    rows = [Row(tuple(int(p) if p.isdigit() else p for p in key.split(".")), value) for key, value in values.items()]
    (plan,) = native.read(read_text("run.toml", toml(rows).encode()), "training", Reader())
    return plan
