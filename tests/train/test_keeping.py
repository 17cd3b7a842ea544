"""What the base says to other prompts is kept: right prompts, right target; and a rank that falls with noise."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lora_doctor.source.document import SourceError
from lora_doctor.train import keeping
from lora_doctor.train.adapters import inject, strength, trainable
from lora_doctor.train.families import Family, Models, collate
from lora_doctor.train.folder import RunFolder, read_rows
from lora_doctor.train.job import Adapter, Captions, Job, Keeping, Model, Training
from lora_doctor.train.loading import load_folder
from lora_doctor.train.preflight import preflight
from lora_doctor.train.question import Question, answered, ask
from lora_doctor.train.sampler import Shown

from .running import run, saved, small_job

KEPT = Keeping(1.0, ("a star", "a moon"), 0.5, "ring")


def job(kept: Keeping, trigger: str | None = "zwx") -> Job:
    return Job(Path(), Model(Path(), "sana"), (), Training(1, seed=5), captions=Captions(trigger=trigger), keeping=kept)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("zwx on sand", "ring on sand"),
        ("a ZWX, and zwx", "a ring, and ring"),
        ("zwxy and azwx", "zwxy and azwx"),
        ("", ""),
    ],
)
def test_the_class_takes_the_triggers_place(caption: str, expected: str) -> None:
    assert keeping.of_class(caption, "zwx", KEPT) == expected


def test_every_prompt_that_can_come_up_is_encoded_before() -> None:
    captions = ["zwx on sand", "zwx in snow"]
    known = set(keeping.every_other(job(KEPT), captions))
    for epoch in range(20):
        shown = [Shown(item, epoch, 0) for item in range(2)]
        found = list(keeping.others(job(KEPT), shown, captions))
        assert [each.weight for each in found] == [1.0, 0.5]
        assert found[1].captions == ("ring on sand", "ring in snow")
        assert {caption for each in found for caption in each.captions} <= known
    drawn = {c for e in range(20) for c in next(keeping.others(job(KEPT), [Shown(0, e, 0)], captions[:1])).captions}
    assert drawn == {"a star", "a moon"}
    assert list(keeping.others(job(Keeping()), [Shown(0, 0, 0)], captions[:1])) == []


def trained(folder: Path, adapter: Adapter) -> tuple[Family, Models]:
    """A model with an adapter that is not zero."""
    family, models = load_folder(folder)
    inject(family, models, adapter)
    generator = torch.Generator().manual_seed(0)
    for parameter in trainable(family, models).values():
        parameter.data += torch.randn(parameter.shape, generator=generator) * 0.05
    return family, models


def asked(family: Family, models: Models, sigma: float) -> tuple[Tensor, Tensor, dict[str, Tensor], Tensor]:
    """Noisy latents, levels, prompts and sizes of a batch of two."""
    prompts = collate(family.encode_prompts(models, ["a red ring", "a star"]))
    size = (2, 16, 8, 8) if models.layers else (2, 4, 16, 16)
    noisy = torch.randn(size, generator=torch.Generator().manual_seed(1))
    return noisy, family.levels_at(models, torch.full((2,), sigma)), prompts, torch.full((2, 6), 64.0)


def test_the_target_is_what_the_base_predicts(klein_folder: Path) -> None:
    family, models = trained(klein_folder, Adapter(rank=4, alpha=4))
    given = asked(family, models, 0.5)
    base_family, base = load_folder(klein_folder)
    with torch.no_grad():
        away = family.predict(models, *given) - base_family.predict(base, *given)
    question = keeping.kept(family, models, Question(*given, target=given[0], weight=torch.ones(2)), given[2], 1.0)
    found = answered(question, ask(family, models, question)).loss
    assert float(found.detach()) == pytest.approx(float((away**2).mean()), rel=1e-4)
    found.backward()  # type: ignore[no-untyped-call]
    grads = [p.grad for p in trainable(family, models).values()]
    assert all(grad is not None and torch.isfinite(grad).all() for grad in grads)
    assert any(grad is not None and grad.abs().max() > 0 for grad in grads)


def test_a_run_keeps_more_of_the_base(tmp_path: Path, klein_folder: Path) -> None:
    """With weights far above the images' own, the adapter stays where it was."""
    sizes = []
    for weight in (0.0, 1000.0):
        kept = Keeping(weight, ("a star",), weight, "ring") if weight else Keeping()
        whole = small_job(tmp_path / str(weight), klein_folder, keeping=kept)
        run(whole._replace(training=Training(24, batch_size=2, seed=3)))
        assert len([row for row in read_rows(RunFolder(whole.output).log) if "loss" in row]) == 24
        family, models = load_folder(klein_folder)
        models.pipeline.load_lora_weights(str(RunFolder(whole.output).checkpoint(24)))
        given = asked(family, models, 0.5)
        with torch.no_grad():
            now = family.predict(models, *given)
            with strength(models, 0.0):
                sizes.append(float((family.predict(models, *given) - now).square().mean()))
    assert sizes[1] < 0.25 * sizes[0]
    assert max(value.abs().max() for value in saved(whole, 24).values()) > 0


@pytest.mark.parametrize(
    ("kept", "trigger", "sentence"),
    [
        (Keeping(prior_weight=1.0), "zwx", "keeping.prior_prompts"),
        (Keeping(output_weight=1.0), "zwx", "keeping.output_class"),
        (Keeping(output_weight=1.0, output_class="ring"), None, "captions.trigger"),
    ],
)
def test_nothing_to_keep_is_refused(
    kept: Keeping, trigger: str | None, sentence: str, tmp_path: Path, klein_folder: Path
) -> None:
    wanted = small_job(tmp_path, klein_folder, keeping=kept, captions=Captions(trigger))
    with pytest.raises(SourceError, match=sentence):
        preflight(wanted)


@pytest.mark.parametrize("name", ["klein", "sana", "sdxl"])
def test_the_rank_falls_with_noise(name: str, request: pytest.FixtureRequest) -> None:
    """At full noise only the least rank counts, near none nearly all do; the pipeline's own sampling knows it too."""
    folder = request.getfixturevalue(f"{name}_folder")
    targets = "all-linear" if name != "sdxl" else ("to_q", "conv1", "conv_in")
    family, models = trained(folder, Adapter(rank=4, alpha=4, min_rank=1, targets=targets))
    weights = {key: value for key, value in trainable(family, models).items() if "lora_B" in key}

    @torch.no_grad()
    def counting(sigma: float) -> list[bool]:
        """Whether each direction of the rank changes anything at this noise level."""
        given = asked(family, models, sigma)
        before, found = family.predict(models, *given), []
        for direction in range(4):
            kept = {key: value.clone() for key, value in weights.items()}
            for value in weights.values():
                value[:, direction] = 0
            found.append(not torch.equal(family.predict(models, *given), before))
            for key, value in weights.items():
                value.copy_(kept[key])
        return found

    assert counting(1.0) == [True, False, False, False]
    assert counting(0.6) == [True, True, False, False]
    assert counting(0.05) == [True, True, True, False]  # 1 + floor(0.95 * 3)
    sizes = (32, 32) if name != "sdxl" else (64, 64)
    (masked,) = family.sample(models, ["a ring"], [1], steps=2, size=sizes)
    plain_family, plain = trained(folder, Adapter(rank=4, alpha=4, targets=targets))
    (whole,) = plain_family.sample(plain, ["a ring"], [1], steps=2, size=sizes)
    assert masked.tobytes() != whole.tobytes()
