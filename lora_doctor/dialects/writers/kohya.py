"""What sd-scripts and musubi-tuner share: options of one author, in files that both read alike.

Source: kohya-ss/sd-scripts@48d368fa library/train_util.py; kohya-ss/musubi-tuner@30c658c training/parser_common.py.
"""

from __future__ import annotations

from lora_doctor.dialects.writers import known, words
from lora_doctor.dialects.writers.draft import Draft, Sheet
from lora_doctor.meaning import run_length

OPTIMIZERS = {
    "adamw": "AdamW",
    "adamw8bit": "AdamW8bit",
    "lion": "Lion",
    "lion8bit": "Lion8bit",
    "prodigy": "Prodigy",
    "adafactor": "Adafactor",
    "adamw-schedulefree": "AdamWScheduleFree",
}
SCHEDULERS = {name: name for name in ("constant", "linear", "cosine", "cosine_with_restarts", "polynomial")}
DTYPES = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
SAVED = {"bf16": "bf16", "fp16": "fp16", "fp32": "float"}
KINDS = {"lora": "lora", "locon": "lora"}


def network(draft: Draft, sheet: Sheet, module: str) -> None:
    """Rank, alpha and dropout; the module names the kind."""
    wanted = draft.plan.network
    words.word(draft, "network.kind", wanted.kind.value, KINDS, "lora")
    sheet.put("network_module", module, "network.kind")
    sheet.put("network_dim", wanted.rank.value, "network.rank")
    sheet.put("network_alpha", words.alpha(draft.plan), "network.alpha")
    sheet.put("network_dropout", wanted.dropout.value or None, "network.dropout")
    sheet.put("network_weights", wanted.weights.value, "network.weights")


def optimizer(draft: Draft, sheet: Sheet, names: dict[str, str]) -> None:
    """Optimiser, schedule and warm-up; `constant` refuses a warm-up."""
    wanted = draft.plan.optimizer
    meant = wanted.name.value
    sheet.put("optimizer_type", words.word(draft, "optimizer.name", meant, names, names["adamw"]), "optimizer.name")
    given = [] if wanted.weight_decay.value is None else [f"weight_decay={wanted.weight_decay.value:g}"]
    if meant == "adafactor":  # else it sets its own rate and schedule
        given += ["relative_step=False", "scale_parameter=False", "warmup_init=False"]
    sheet.put("optimizer_args", given or None, "optimizer.weight_decay")
    sheet.put("learning_rate", wanted.learning_rate.value, "optimizer.learning_rate")
    warmup = int(wanted.warmup_steps.value or 0)
    shape = words.word(draft, "optimizer.scheduler", wanted.scheduler.value, SCHEDULERS, "constant")
    sheet.put(
        "lr_scheduler", "constant_with_warmup" if shape == "constant" and warmup else shape, "optimizer.scheduler"
    )
    sheet.put("lr_warmup_steps", warmup or None, "optimizer.warmup_steps")
    sheet.put("max_grad_norm", wanted.gradient_clip.value, "optimizer.gradient_clip")
    if wanted.ema.value:
        draft.cannot("optimizer.ema", "does not exist: the last weights are saved, not their average")


def length(draft: Draft, sheet: Sheet) -> None:
    """Steps or epochs: epochs overrule steps, so only one of them is written."""
    plan = draft.plan
    steps, epochs = run_length(plan)
    sheet.put("max_train_steps", steps, "steps")
    sheet.put("max_train_epochs", words.whole(draft, "epochs", epochs) if steps is None else None, "epochs")
    sheet.put("gradient_accumulation_steps", plan.accumulation.value, "accumulation")
    sheet.put("seed", plan.seed.value, "seed")
    sheet.put("max_data_loader_n_workers", 2)
    sheet.put("persistent_data_loader_workers", True)


def precision(draft: Draft, sheet: Sheet) -> None:
    """Computing and saving."""
    wanted = draft.plan.precision
    sheet.put(
        "mixed_precision",
        words.word(draft, "precision.compute", wanted.compute.value or "bf16", DTYPES, "bf16"),
        "precision.compute",
    )
    sheet.put(
        "save_precision",
        words.word(draft, "precision.save", wanted.save.value or "bf16", SAVED, "bf16"),
        "precision.save",
    )
    sheet.put("gradient_checkpointing", wanted.gradient_checkpointing.value, "precision.gradient_checkpointing")


def saving(draft: Draft, sheet: Sheet) -> None:
    """Checkpoints by steps or by epochs; how many are kept is counted in steps where they are."""
    wanted, output = draft.plan.saving, draft.plan.saving.folder.value or f"output/{draft.name}"
    sheet.put("output_dir", output, "saving.folder")
    sheet.put("output_name", draft.name, "saving.name")
    by_epoch = wanted.every_epochs.value and not wanted.every_steps.value
    every = wanted.every_steps.value or words.default_checkpoint_steps(draft)
    keep = wanted.keep.value
    if by_epoch:
        sheet.put("save_every_n_epochs", wanted.every_epochs.value, "saving.every_epochs")
        sheet.put("save_last_n_epochs", keep, "saving.keep")
    else:
        sheet.put("save_every_n_steps", every, "saving.every_steps")
        sheet.put("save_last_n_steps", (keep - 1) * every if keep else None, "saving.keep")
    sheet.put("save_state_on_train_end", True, why="the run can go on from there")
    sheet.put("logging_dir", f"{output}/logs")


def previews(draft: Draft, sheet: Sheet, guidance_flag: str) -> None:
    """The prompts in a file of their own, each with its size, steps, guidance and seed."""
    validation = draft.plan.validation
    prompts = validation.prompts.value
    if not prompts:
        return
    edge, steps, guidance = known.recommended(draft.plan)
    size = validation.size.value or [edge, edge]
    seed = validation.seed.value if validation.seed.value is not None else 42
    tail = f" --w {size[0]} --h {size[-1]} --d {seed} --s {steps} --{guidance_flag} {guidance:g}"
    lines = []
    for text in prompts:
        plain = " ".join(text.split()).replace(" --", " - ").lstrip("#")
        if plain != text:
            draft.cannot("validation.prompts", "stand in one line each, without `#` in front or `--` within")
        lines.append(plain + tail)
    name = f"{draft.name}-prompts.txt"
    draft.extra(name, "\n".join(lines) + "\n")
    sheet.put("sample_prompts", draft.reference(name), "validation.prompts")
    by_epoch = validation.every_epochs.value and not validation.every_steps.value
    if by_epoch:
        sheet.put("sample_every_n_epochs", validation.every_epochs.value, "validation.every_epochs")
    else:
        every = words.checkpoint_steps(draft, "validation") or words.default_checkpoint_steps(draft)
        sheet.put("sample_every_n_steps", every, "validation.every_steps")
    sheet.put("sample_at_first", True, why="the model before training, to compare with")
    if validation.walk_seed.value:
        draft.cannot("validation.walk_seed", "is off: every preview has the same seed")


def unsaid(draft: Draft) -> None:
    """What neither of them has."""
    if draft.plan.trigger.value or any(data.trigger.value for data in draft.plan.datasets):
        sentence = "is not put into captions: write it into them"
        draft.cannot("trigger", sentence)
        for index, _ in enumerate(draft.plan.datasets):
            draft.cannot(f"datasets.{index}.trigger", sentence)
