"""Caption files as each trainer opens them: real folders, real configs, the text that is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lora_doctor.captions.facts import Caption, Captions
from lora_doctor.captions.read import decoded, read_captions
from lora_doctor.dialects import recognise
from lora_doctor.dialects.reader import Reader
from lora_doctor.source.read import read_file

KOHYA = '[[datasets]]\nresolution = 1024\ncaption_extension = ".txt"\n[[datasets.subsets]]\nimage_dir = "data"\n{more}'
DP = (
    "resolutions = [1024]\nenable_ar_bucket = true\nmin_ar = 0.5\nmax_ar = 2.0\nnum_ar_buckets = 7\n{top}"
    '[[directory]]\npath = "data"\n'
)
MUSUBI = (
    '[general]\nresolution = [1024, 1024]\ncaption_extension = ".txt"\n'
    '[[datasets]]\nimage_directory = "data"\ncache_directory = "c"\n'
)
NATIVE = 'output = "o"\n[model]\npath = "black-forest-labs/FLUX.2-klein-base-9B"\n[[data]]\nfolder = "data"\n'
LINES = "zwx ring on slate\n\nsoft light from the left\n"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()


def put(name: str, text: str | bytes = "") -> None:
    Path("data", name).write_bytes(text if isinstance(text, bytes) else text.encode())


def captions(config: str, name: str = "config.toml", trainer: str | None = None) -> Captions:
    """The captions that a config leads to; there is one folder."""
    Path(name).write_text(config, encoding="utf-8")
    document = read_file(Path(name))
    recognised = recognise(document, trainer)
    assert recognised is not None
    plans = recognised[0].read(document, recognised[1], Reader())
    (found,) = [found for plan in plans for found in read_captions(plan)]
    return found


def only(config: str, name: str = "config.toml", trainer: str | None = None) -> Caption:
    (entry,) = captions(config, name, trainer).entries
    return entry


def test_sd_scripts_trains_the_first_line() -> None:
    put("a.png")
    put("a.txt", LINES)
    entry = only(KOHYA.format(more=""))
    assert entry.text == "zwx ring on slate"
    assert entry.cut == "soft light from the left"
    assert entry.others == ()


def test_sd_scripts_draws_a_line_with_wildcards() -> None:
    put("a.png")
    put("a.txt", LINES)
    entry = only(KOHYA.format(more="enable_wildcard = true\n"))
    assert entry.every == ("zwx ring on slate", "soft light from the left")
    assert entry.cut == ""


def test_sd_scripts_puts_prefix_and_suffix_round_it() -> None:
    put("a.png")
    put("a.txt", "ring")
    assert only(KOHYA.format(more='caption_prefix = "zwx"\ncaption_suffix = "on slate"\n')).text == "zwx ring on slate"


def test_sd_scripts_first_line_may_be_blank() -> None:
    put("a.png")
    put("a.txt", "\nzwx ring\n")
    entry = only(KOHYA.format(more=""))
    assert (entry.text, entry.cut) == ("", "zwx ring")


@pytest.mark.parametrize("config", [NATIVE, MUSUBI, DP.format(top="")], ids=["lora-doctor", "musubi", "diffusion-pipe"])
def test_others_train_the_whole_file(config: str) -> None:
    put("a.png")
    put("a.txt", LINES)
    assert only(config).text == LINES.strip()


def test_diffusion_pipe_reads_captions_json_and_a_prefix() -> None:
    put("a.png")
    put("captions.json", json.dumps({"a.png": ["ring on slate", "ring on dark stone"]}))
    entry = only(DP.format(top='caption_prefix = "zwx "\n'))
    assert entry.every == ("zwx ring on slate", "zwx ring on dark stone")
    assert entry.file == "captions.json"


def _backend(strategy: str) -> list[dict[str, object]]:
    return [
        {"id": "zwx", "type": "local", "instance_data_dir": "data", "caption_strategy": strategy, "resolution": 1024}
    ]


def test_simpletuner_takes_each_line_for_a_caption() -> None:
    put("a.png")
    put("a.txt", LINES)
    backend = _backend("textfile")
    assert only(json.dumps(backend), "multidatabackend.json").every == ("zwx ring on slate", "soft light from the left")
    backend[0]["disable_multiline_split"] = True
    assert only(json.dumps(backend), "multidatabackend.json").every == (LINES.strip(),)


def test_simpletuner_makes_captions_of_file_names() -> None:
    put("zwx_ring on_slate.png")
    backend = _backend("filename")
    assert only(json.dumps(backend), "multidatabackend.json").text == "zwx ring on slate"


def test_diffusers_reads_a_column() -> None:
    put("a.png")
    put("metadata.jsonl", '{"file_name": "a.png", "prompt": "zwx ring on slate"}\n')
    command = (
        "accelerate launch train_dreambooth_lora_sana.py --pretrained_model_name_or_path=a/sana --dataset_name=data "
        '--caption_column=prompt --instance_prompt="zwx" --output_dir=out\n'
    )
    found = captions(command, "train.sh")
    assert found.texts == ("zwx ring on slate",)


def test_encodings() -> None:
    assert decoded(b"caf\xc3\xa9") == ("café", "utf-8", None)
    assert decoded(b"\xef\xbb\xbfzwx") == ("zwx", "utf-8-sig", None)
    assert decoded("zwx".encode("utf-16")) == ("zwx", "utf-16", (0, 0xFF))
    assert decoded(b"it\x92s") == ("it’s", "unknown", (2, 0x92))


def test_a_long_file_is_cut_between_characters() -> None:
    put("a.png")
    put("a.txt", "é" * 40_000)
    assert only(NATIVE).encoding == "utf-8"


def test_the_folder_is_left_alone_when_told(tmp_path: Path) -> None:
    from lora_doctor.lint import lint_file

    put("a.png")
    put("a.txt", "I'm sorry, but I can't help with that.")
    Path("c.toml").write_text(NATIVE)
    rule = "refusal-as-caption"
    assert rule in {found.rule.id for found in lint_file(Path("c.toml")).found}
    assert rule not in {found.rule.id for found in lint_file(Path("c.toml"), datasets=False).found}


def test_a_declared_trigger_is_known_to_be_added() -> None:
    put("a.png")
    put("a.txt", "a ring")
    found = captions(NATIVE + '[captions]\ntrigger = "zwx"\n')
    assert found.trigger is not None
    assert (found.trigger.word, found.trigger.declared, found.trigger.added) == ("zwx", True, True)


def test_limits_leave_room_for_the_template() -> None:
    put("a.png")
    put("a.txt", "a ring")
    klein = "black-forest-labs/FLUX.2-klein-base-9B"
    assert captions(NATIVE).limit == 500
    assert captions(NATIVE.replace(klein, "stabilityai/stable-diffusion-xl-base-1.0")).limit == 75
    assert captions(NATIVE.replace(klein, "Efficient-Large-Model/Sana_1600M_1024px_BF16")).limit == 298
