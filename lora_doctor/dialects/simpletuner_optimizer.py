"""SimpleTuner's optimisers: their own default decay, what `optimizer_config` sets, and the schedule that is followed.

`adam_weight_decay`, the betas and epsilon reach an optimiser of DeepSpeed only; every other takes its own defaults and
`optimizer_config`. Source: helpers/training/optimizer_param.py, custom_schedule.py, bghira/SimpleTuner@bc8e6ab.
"""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.simpletuner_settings import KEYS, number, text
from lora_doctor.plan import Optimizer
from lora_doctor.setting import Config, Setting, key_table

# Every optimiser that 4.8.0 knows (with all optional packages), by its default weight decay.
OPTIMIZERS = {name: row.default for name, row in key_table(KEYS, "optimizers").keys.items()}
NO_SCHEDULE = ("adamw_schedulefree", "prodigy")  # these bring their own schedule: `lr_scheduler` is not read
WARMS_UP = ("linear", "polynomial", "constant", "constant_with_warmup")  # for the others the warm-up is a period


def optimizer(run: Config) -> Optimizer:
    """Optimiser and schedule of a run."""
    name, scheduler = run.get("optimizer").map(text), run.get("lr_scheduler").map(text)
    own_schedule = str(name.value).startswith(NO_SCHEDULE)
    warms_up = own_schedule or scheduler.value in WARMS_UP
    clipped = run.get("grad_clip_method").value == "norm"
    return Optimizer(
        name=name,
        learning_rate=run.get("learning_rate").map(number),
        text_encoder_learning_rate=run.get("text_encoder_lr").map(number),
        weight_decay=_weight_decay(run, str(name.value)),
        scheduler=Setting() if own_schedule else scheduler,
        warmup_steps=run.get("lr_warmup_steps").map(number) if warms_up else Setting(),
        gradient_clip=run.get("max_grad_norm").map(number) if clipped else Setting(),  # else every value is clipped
        ema=run.get("use_ema"),
    )


def _weight_decay(run: Config, name: str) -> Setting[float]:
    if run.get("deepspeed_config").value:
        return run.get("adam_weight_decay").map(number)
    config = run.get("optimizer_config")
    written = _parameters(config.value).get("weight_decay")
    if written is not None:
        return config.map(lambda _: number(written))
    return run.get("optimizer_config", OPTIMIZERS.get(name)) if not config.value else Setting()


def _parameters(text: Any) -> dict[str, str]:
    """`eps=1e-6,weight_decay=0.0` as a mapping."""
    pairs = (part.partition("=") for part in str(text or "").split(","))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}
