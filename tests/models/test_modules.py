"""Coverage numbers that were measured with PEFT on the real architectures."""

from __future__ import annotations

import pytest

from lora_doctor.models import families, modules
from lora_doctor.models.modules import adapter_size, coverage
from lora_doctor.models.presets import default_coverage, preset

QKV = ("to_q", "to_k", "to_v")


@pytest.mark.parametrize(
    ("model_id", "numbers", "percent"),
    [("flux2-klein-4b", (15, 109, 5, 25), 3.7), ("flux2-klein-9b", (24, 153, 8, 32), 4.4)],
)
def test_qkv_reaches_almost_nothing_of_klein(model_id: str, numbers: tuple[int, ...], percent: float) -> None:
    found = coverage(model_id, QKV)
    assert found[:4] == numbers
    assert round(found.weights_share * 100, 1) == percent


@pytest.mark.parametrize(
    ("trainer", "model_id", "matched", "blocks", "percent", "per_rank"),
    [
        ("diffusers", "flux2-klein-4b", 60, 25, 68, 1_044_480),
        ("diffusers", "flux2-klein-9b", 80, 32, 64, 1_736_704),
        ("simpletuner", "flux2-klein-4b", 40, 25, 49, 737_280),
        ("ai-toolkit", "flux2-klein-4b", 80, 25, 95, 1_443_840),
        ("ai-toolkit", "flux2-klein-9b", 112, 32, 96, 2_588_672),
        ("diffusion-pipe", "flux2-klein-9b", 112, 32, 96, 2_588_672),
        ("musubi-tuner", "flux2-klein-4b", 80, 25, 95, 1_443_840),
        ("ai-toolkit", "flux2-dev", 160, 56, 97, 6_094_848),
        ("diffusers", "sana-1.6b", 120, 20, 38, 537_600),
        ("diffusers", "sdxl", 560, 70, 37, 1_451_520),
        ("sd-scripts", "sdxl", 722, 70, 86, 2_659_840),
    ],
)
def test_trainer_defaults(trainer: str, model_id: str, matched: int, blocks: int, percent: int, per_rank: int) -> None:
    family = next(f.id for f in families.FAMILIES.values() if any(s.id == model_id for s in f.sizes))
    found = default_coverage(trainer, family, model_id)
    assert found is not None
    assert (found.matched_modules, found.blocks_reached) == (matched, blocks)
    assert found.blocks_reached == found.blocks_total
    assert round(found.weights_share * 100) == percent
    assert adapter_size(found.modules, 1).parameters == per_rank
    assert adapter_size(found.modules, 16) == (16 * per_rank, 32 * per_rank)


def test_unknown_defaults_are_unknown() -> None:
    assert preset("onetrainer", "flux2-klein") is None
    assert default_coverage("onetrainer", "flux2-klein", "flux2-klein-4b") is None


@pytest.mark.parametrize("model_id", modules.model_ids())
def test_tables_hold_nearly_all_weights(model_id: str) -> None:
    """The rest are norms, biases and SANA's depthwise convolutions; both namings hold the same weights."""
    sizes = {n: sum(map(modules.weights, modules.table(model_id, n))) for n in modules.namings(model_id)}
    assert len(set(sizes.values())) == 1
    for size in (s for f in families.FAMILIES.values() for s in f.sizes if s.id == model_id and s.parameters):
        assert 0.995 < sizes["diffusers"] / (size.parameters or 1) <= 1


@pytest.mark.parametrize("model_id", modules.model_ids())
def test_names_are_unique_and_blocks_agree_with_the_facts(model_id: str) -> None:
    for naming in modules.namings(model_id):
        table = modules.table(model_id, naming)
        assert len({m.name for m in table}) == len(table)
        blocks = {m.block for m in table if m.block}
        for size in (s for f in families.FAMILIES.values() for s in f.sizes if s.id == model_id):
            assert len(blocks) == sum(size.blocks)


def test_conv_targets_agree_with_the_facts() -> None:
    for family in families.FAMILIES.values():
        for size in family.sizes:
            if size.id in modules.model_ids():
                has_conv = any(m.kernel for m in modules.table(size.id))
                assert has_conv == family.conv_targets, size.id


@pytest.mark.parametrize(
    ("targets", "matched"),
    [
        ("all-linear", 109),
        (r".*\.to_q", 5),
        (r"to_q", 0),
        (r"single_transformer_blocks\.\d+\.attn\.to_out", 20),
        ((), 0),
        (("to_q",), 5),
        (("o_q",), 0),
        (("attn.to_q",), 5),
        (("transformer_blocks.0.attn.to_q",), 1),
        (("proj_out",), 1),
    ],
)
def test_peft_matching(targets: tuple[str, ...] | str, matched: int) -> None:
    assert coverage("flux2-klein-4b", targets).matched_modules == matched


def test_suffixes_stop_at_dots_not_at_block_kinds() -> None:
    """PEFT's suffix rule: "single_" + "transformer_blocks..." has no dot before it, so this is exact."""
    assert coverage("flux1-dev", ("transformer_blocks.0.attn.to_q",)).matched_modules == 1


def test_excludes() -> None:
    assert coverage("flux2-klein-4b", QKV, exclude=("to_v",)).matched_modules == 10
    assert coverage("flux2-klein-4b", "all-linear", exclude=r".*single_.*").blocks_reached == 5


@pytest.mark.parametrize("target", ["to_out", "attn.to_out"])
def test_the_module_list_that_peft_refuses(target: str) -> None:
    found = coverage("flux2-klein-4b", (target,))
    assert found.containers == tuple(f"transformer_blocks.{n}.attn.to_out" for n in range(5))
    assert coverage("flux2-klein-4b", ("to_out.0",)).containers == ()


def test_targets_that_match_nothing_are_told() -> None:
    found = coverage("flux2-klein-4b", ("to_q", "ff.net.0.proj", "proj_mlp"))
    assert found.unmatched == ("ff.net.0.proj", "proj_mlp")
    assert coverage("flux2-klein-4b", ("nonsense",))[:5] == (0, 109, 0, 25, 0.0)


def test_a_broken_pattern() -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        coverage("flux2-klein-4b", "(")
    with pytest.raises(ValueError, match="style"):
        coverage("flux2-klein-4b", QKV, style="glob")
    with pytest.raises(KeyError):
        coverage("no-such-model", QKV)


@pytest.mark.parametrize(
    ("only", "ignore", "matched"),
    [
        ((), (), 80),
        (("img_attn",), (), 10),
        (("single_blocks.7.",), (), 2),
        (("transformer.single_blocks.7.linear2",), (), 1),
        (("single_transformer_blocks.7.proj_out",), (), 0),
        ((), ("single_blocks",), 40),
        (("double_blocks",), ("txt_",), 20),
        (("img_in",), (), 0),
    ],
)
def test_ai_toolkit_matching(only: tuple[str, ...], ignore: tuple[str, ...], matched: int) -> None:
    found = coverage("flux2-klein-4b", only, style="contains", exclude=ignore)
    assert found.matched_modules == matched
    assert found.unmatched == (() if matched else only)


def test_conv_layers_cost_their_kernel() -> None:
    conv = modules.Module("c", 4, 8, (3, 3), None)
    point = modules.Module("p", 4, 8, (1, 1), None)
    assert adapter_size([conv], 2).parameters == 2 * (36 + 8)
    assert adapter_size([conv, point], 2, conv_rank=1).parameters == 36 + 8 + 2 * 12
    assert adapter_size([], 2) == (0, 0)


def test_expand() -> None:
    assert modules.expand("a.{0..1}.{b,c}") == ["a.0.b", "a.0.c", "a.1.b", "a.1.c"]
    assert modules.expand("plain.name") == ["plain.name"]
