"""A run written for a trainer reads back as the same run, except for what this trainer has no word for.

`CANNOT` is that exception, field by field: whatever else is lost is a fault of the writer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lora_doctor import derived
from lora_doctor.compare import compare
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.writers import writer
from lora_doctor.meaning import canonical
from lora_doctor.plan import Plan
from lora_doctor.source.read import read_file
from lora_doctor.translate import Translation, targets, translate

from .plans import MODELS, plan_of, runs

_NOISE = {"timesteps.sampling", "timesteps.shift"}
_SCALE = {"network.alpha", "optimizer.learning_rate", "optimizer.weight_decay"}
_ONE_FOLDER = {f"datasets.N.{name}" for name in (
    "folder", "resolution", "repeats", "caption_source", "shuffle_tags", "keep_tokens", "caption_dropout", "buckets",
    "batch_size",
)} | {"datasets"}  # fmt: skip
CANNOT = {
    "lora-doctor": set(),
    "ai-toolkit": {*_NOISE, *_SCALE, "optimizer.warmup_steps", "optimizer.gradient_clip", "optimizer.scheduler",
                   "optimizer.name", "cache_text", "datasets.N.keep_tokens"},
    "diffusion-pipe": {*_SCALE, "model_file", "seed", "validation.prompts", "saving.keep", "trigger", "cache_text",
                       "datasets.N.caption_extension", "datasets.N.keep_tokens", "precision.base",
                       "optimizer.scheduler"},
    "SimpleTuner": {*_NOISE, "model_file", "optimizer.scheduler", "datasets.N.caption_extension"},
    "sd-scripts": {"trigger", "cache_text", "precision.base"},
    "musubi-tuner": {*_NOISE, "model_file", "trigger", "datasets.N.shuffle_tags", "datasets.N.keep_tokens",
                     "datasets.N.caption_dropout", "precision.base"},
    "OneTrainer": {*_NOISE, "model_file", "steps", "seed", "saving.keep", "trigger", "datasets.N.caption_extension"},
    "diffusers": {*_NOISE, *_SCALE, *_ONE_FOLDER, "model_file", "precision.compute", "precision.base",
                  "precision.text_encoder", "precision.save", "validation.prompts", "validation.every_steps",
                  "validation.seed", "batch_size", "accumulation", "trigger", "optimizer.name", "cache_latents"},
}  # fmt: skip
# Facts that may come out otherwise: targets a trainer can't choose, and what follows from the fields above
CANNOT_FOLLOW = {
    "ai-toolkit": {"weights_share", "blocks_reached", "scale", "warmup_share_of_run", "weight_decay_shrink",
                   "learning_rate_at_alpha_equal_rank"},
    "diffusion-pipe": {"weights_share", "blocks_reached", "scale", "kept_window_share_of_run",
                       "learning_rate_at_alpha_equal_rank"},
    "musubi-tuner": {"weights_share", "blocks_reached"},
    "sd-scripts": {"weights_share", "blocks_reached"},
    "diffusers": {"weights_share", "blocks_reached", "scale", "learning_rate_at_alpha_equal_rank",
                  "weight_decay_shrink"},
}  # fmt: skip
PAIRS = [(family, trainer) for family in MODELS for trainer in targets() if family in writer(trainer).FAMILIES]
FREELY = settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))


def plain(field: str) -> str:
    return f"datasets.N.{field.split('.', 2)[2]}" if field.startswith("datasets.") else field


def on_disk(made: Translation, folder: Path) -> Plan:
    """What the trainer's own dialect reads from the files."""
    for file in made.files:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / file.name).write_bytes(file.text.encode())
    document = read_file(folder / made.files[0].name)
    found = recognise(document)
    assert found is not None, document.name
    assert made.trainer == found[0].TRAINER
    return next(plan for plan in found[0].read(document, found[1], Reader()) if plan.training)


@pytest.mark.parametrize(("family", "trainer"), PAIRS)
@FREELY
@given(data=st.data())
def test_only_what_has_no_word_is_lost(
    family: str, trainer: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plan = plan_of(data.draw(runs(family)))
    folder = tmp_path_factory.mktemp("run")
    made = translate(plan, trainer, folder, "zwx")
    assert {plain(each.field) for each in made.lost} <= CANNOT[trainer]
    assert all(each.consequence for each in made.lost)
    assert {each.name for each in made.facts} <= CANNOT_FOLLOW.get(trainer, set())
    back = on_disk(made, folder)
    told = made.told
    differing = {each.field for each in compare(plan, back).settings}
    assert {field for field in differing if not part_of_the_lost(field, made)} <= told


def part_of_the_lost(field: str, made: Translation) -> bool:
    """Of previews or a dataset that are lost, the parts are not told one by one."""
    lost = {each.field for each in made.lost if each.got.value is None}
    if field.startswith("validation."):
        return "validation.prompts" in lost
    return field.startswith("datasets.") and f"{field.rpartition('.')[0]}.folder" in lost


@pytest.mark.parametrize(("family", "trainer"), PAIRS)
@FREELY
@given(data=st.data())
def test_rate_scale_and_batch_do_the_same(family: str, trainer: str, data: st.DataObject) -> None:
    """What a run comes to is kept even where its parts can't be: alpha by the rate, the batch by accumulation."""
    values = data.draw(runs(family)) | {"optimizer.name": "adamw"}
    plan = plan_of(values)
    back = translate(plan, trainer, Path("out"), "zwx").plan
    rate, after = derived.normalised_learning_rate(plan), derived.normalised_learning_rate(back)
    assert rate is not None
    assert after == pytest.approx(rate, rel=1e-5)
    assert derived.effective_batch(back) == derived.effective_batch(plan)
    assert canonical(back).network.rank.value == values["adapter.rank"]
    shrink, later = derived.weight_decay_shrink(plan), derived.weight_decay_shrink(back)
    if later is not None:
        assert later == pytest.approx(shrink, rel=1e-4)
    if trainer != "OneTrainer":  # it counts epochs, which the number of images is needed for
        assert derived.total_steps(back) == values["training.steps"]


@FREELY
@given(values=runs("sdxl"), through=st.sampled_from([trainer for family, trainer in PAIRS if family == "sdxl"]))
def test_there_and_back_again(values: dict[str, Any], through: str) -> None:
    """Through any trainer and back to lora-doctor: nothing changes that was not told on the way there."""
    plan = plan_of(values)
    there = translate(plan, through, Path("out"), "zwx")
    back = translate(there.plan, "lora-doctor", Path("out"), "zwx")
    told = {plain(field) for field in there.told | back.told}
    differing = {each.field for each in compare(plan, back.plan).settings if not part_of_the_lost(each.field, there)}
    assert {plain(field) for field in differing} <= told | CANNOT[through]
