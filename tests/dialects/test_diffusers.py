"""The example scripts of diffusers: recognition, and what their commands mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.dialects import diffusers, recognise
from lora_doctor.dialects.diffusers_scripts import SCRIPTS
from lora_doctor.dialects.reader import Reader
from lora_doctor.lint import Found, lint_file
from lora_doctor.plan import Plan
from lora_doctor.setting import key_tables
from lora_doctor.source.edit import apply
from lora_doctor.source.read import read_file, read_text

FIXTURES = Path(__file__).parent.parent.parent / "fixtures" / "configs" / "diffusers"
KLEIN = "train_dreambooth_lora_flux2_klein.py"
SANA = "train_dreambooth_lora_sana.py"
SDXL = "train_dreambooth_lora_sdxl.py"


def plans(path: Path) -> tuple[Plan, ...]:
    """The plans of a file."""
    document = read_file(path)
    found = recognise(document)
    assert found is not None
    assert found[0].TRAINER == "diffusers"
    return found[0].read(document, found[1], Reader())


def plan_of(script: str, flags: str, folder: Path | None = None, launch: str = "accelerate launch") -> Plan:
    """The plan of one command."""
    name = str((folder or Path.cwd()) / "train.sh")
    document = read_text(name, f"{launch} {script} {flags}\n".encode())
    (plan,) = diffusers.read(document, "training", Reader())
    return plan


def found_in(path: Path) -> list[Found]:
    """What the linter says about a file."""
    result = lint_file(path)
    assert not result.problems
    return list(result.found)


def ids(path: Path, level: str = "error") -> set[str]:
    """The rules that speak of a file at one level."""
    return {found.rule.id for found in found_in(path) if found.level == level}


def test_every_table_has_its_script() -> None:
    assert set(key_tables("diffusers")) == set(SCRIPTS)


@pytest.mark.parametrize(
    "line",
    [
        f"accelerate launch {KLEIN} --rank 4",
        f"python3 examples/dreambooth/{SANA} --rank 4",
        f"CUDA_VISIBLE_DEVICES=0 nohup python -u ./{SDXL} --rank 4 > log 2>&1 &",
        "torchrun --nproc_per_node=2 -m examples.dreambooth.train_dreambooth_lora_sana --rank 4",
        f"uv run accelerate launch --multi_gpu --num_processes 2 /opt/x/{KLEIN}",
        f'if true; then\n  (cd /x && accelerate launch "{SDXL}" --rank 4 | tee log)\nfi',
        f"./{SDXL} --rank 4",
        f"python -m torch.distributed.run --nproc_per_node 2 {SANA}",
    ],
)
def test_recognised(line: str) -> None:
    assert diffusers.recognise(read_text("train.sh", line.encode())) == "training"


@pytest.mark.parametrize(
    "line",
    [
        f"wget https://example.org/{KLEIN}",
        f"cp {SANA} /tmp/",
        "accelerate launch sdxl_train_network.py --network_dim 4",
        "accelerate launch train_dreambooth_lora_sana_mine.py --rank 4",
        f"cat > run.sh <<EOF\naccelerate launch {SANA}\nEOF",
        "pip install diffusers",
    ],
)
def test_not_recognised(line: str) -> None:
    assert diffusers.recognise(read_text("train.sh", line.encode())) is None


def test_klein() -> None:
    (plan,) = plans(FIXTURES / "klein.sh")
    assert (plan.model.family, plan.model.size, plan.model.variant) == ("flux2-klein", "4B", "base")
    assert (plan.network.rank.value, plan.network.alpha.value, plan.network.scale) == (32, 32, 1.0)
    assert plan.network.targets.value is not None
    assert "to_qkv_mlp_proj" in plan.network.targets.value
    assert plan.precision.compute.value == "fp32"  # the script's word against the launcher's bf16
    assert (plan.network.dtype.value, plan.network.dtype.origin) == ("fp32", "default")
    assert (plan.optimizer.name.value, plan.learning_rate.value) == ("AdamW8bit", 1e-4)
    assert (plan.steps.value, plan.epochs.value) == (1500, None)
    assert (plan.batch_size.value, plan.accumulation.value, plan.processes.value) == (1, 4, 1)
    assert plan.timesteps.sampling.value == "logit_normal"
    assert plan.timesteps.prediction.value == "flow"
    assert plan.saving.folder.value == "runs/zwx-klein"
    assert (plan.saving.every_steps.value, plan.saving.keep.value) == (150, None)
    assert plan.validation.prompts.value == ["a photo of a zwx ring on wet slate"]
    (data,) = plan.datasets
    assert (data.caption_source.value, data.folder.value, data.listing) == ("column", None, None)
    assert (data.resolution.value, data.buckets.value, data.repeats.value) == ([1024], True, 1)


def test_a_value_from_an_array_is_found_in_the_array() -> None:
    (plan,) = plans(FIXTURES / "klein.sh")
    place = plan.network.rank.place
    assert place is not None
    assert place.document.position(place.span.start).line == 13


def test_the_good_ones_are_good() -> None:
    assert ids(FIXTURES / "klein.sh") == set()
    assert ids(FIXTURES / "klein.sh", "warning") == set()


def test_launcher_config_and_scaled_rate() -> None:
    (plan,) = plans(FIXTURES / "sana_captions_cached.sh")
    assert plan.processes.value == 2
    assert plan.precision.compute.value == "bf16"
    assert plan.network.dtype.value == "bf16"
    assert plan.learning_rate.value == pytest.approx(1e-4 * 2 * 2)
    assert (plan.precision.vae.value, plan.precision.text_encoder.value) == ("fp32", "bf16")
    assert plan.model.declared.family == plan.model.found.family == "sana"
    assert ids(FIXTURES / "sana_captions_cached.sh") == {
        "captions-shuffled-against-images", "latent-cache-on-several-gpus", "instruction-letter-by-letter",
    }  # fmt: skip


def test_two_runs_of_one_script() -> None:
    first, second = plans(FIXTURES / "klein_two_runs.ps1")
    assert first.optimizer.name.value == "prodigy"
    assert first.learning_rate.value == 1.0
    assert second.network.rank.value == 32
    assert second.network.scale == 4 / 32
    found = found_in(FIXTURES / "klein_two_runs.ps1")
    assert [f.rule.id for f in found].count("klein-encoder-layers") == 2
    assert {"distilled-base", "false-that-is-true", "stray-argument"} <= ids(FIXTURES / "klein_two_runs.ps1")
    assert "option-given-twice" in ids(FIXTURES / "klein_two_runs.ps1", "warning")


def test_cut_off_options_are_put_back(tmp_path: Path) -> None:
    path = FIXTURES / "sdxl_cut_off.sh"
    (found,) = [found for found in found_in(path) if found.rule.id == "broken-continuation"]
    assert found.finding.key == "--instance_prompt"
    assert "and 3 more" in found.finding.message
    assert "line 4" in found.finding.message
    fix = found.finding.fix
    assert fix is not None
    assert not fix.safe  # a comment goes
    mended = tmp_path / "mended.sh"
    mended.write_bytes(apply(fix.document.text, list(fix.edits)))
    (plan,) = plans(mended)
    assert (plan.network.rank.value, plan.learning_rate.value) == (32, 1e-4)
    assert "broken-continuation" not in ids(mended)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("python x.py --a 1\n  --rank 8\n", "does not end in `\\`"),
        ("python x.py --a 1 \\ \n  --rank 8\n", "a blank stands behind the `\\` of line 1"),
        ("python x.py --a 1 \\\n\n  --rank 8\n", "the empty line behind line 1"),
        ("python x.py --a 1 \\\n  # --old 3 \\\n  --rank=8\n", "the comment behind line 1"),
    ],
)
def test_why_a_command_is_cut_off(text: str, cause: str, tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text(text.replace("x.py", SDXL))
    (found,) = [found for found in found_in(path) if found.rule.id == "broken-continuation"]
    assert cause in found.finding.message
    fix = found.finding.fix
    assert fix is not None
    path.write_bytes(apply(fix.document.text, list(fix.edits)))
    (plan,) = plans(path)
    assert plan.network.rank.value == 8


def test_precision_is_the_scripts_then_the_launchers() -> None:
    def compute(flags: str, launch: str) -> object:
        return plan_of(SDXL, flags, launch=launch).precision.compute.value

    assert compute("--mixed_precision=bf16", "accelerate launch --mixed_precision=fp16") == "bf16"
    assert compute("", "accelerate launch --mixed_precision=fp16") == "fp16"
    assert compute("", "accelerate launch --mixed-precision fp16") == "fp16"
    assert compute("", "accelerate launch") is None  # the machine's own accelerate config decides
    assert compute("", "python") == "fp32"
    assert compute("--mixed_precision=$P", "accelerate launch --mixed_precision=fp16") is None


@pytest.mark.parametrize(
    ("flags", "launch", "dtype"),
    [
        ("--mixed_precision=fp16", "accelerate launch", "fp32"),
        ("--mixed_precision=bf16", "accelerate launch", "bf16"),
        ("", "accelerate launch --mixed_precision=fp16", "fp16"),
        ("--mixed_precision=no", "accelerate launch", "fp32"),
        ("", "accelerate launch", None),
    ],
)
def test_what_the_adapter_is_kept_in(flags: str, launch: str, dtype: str | None) -> None:
    assert plan_of(KLEIN, flags, launch=launch).network.dtype.value == dtype


def test_quantised_base_is_read_from_its_config(tmp_path: Path) -> None:
    (tmp_path / "nf4.json").write_text('{"load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}')
    plan = plan_of(KLEIN, "--mixed_precision=bf16 --bnb_quantization_config_path=nf4.json", tmp_path)
    assert (plan.precision.base.value, plan.network.dtype.value) == ("nf4", "fp32")


def test_alpha_is_the_rank_where_there_is_no_flag() -> None:
    plan = plan_of(SDXL, "--rank=16")
    assert (plan.network.alpha.value, plan.network.alpha.origin, plan.network.scale) == (16, "default", 1.0)
    assert plan_of(SANA, "--rank=64").network.scale == 4 / 64


def test_devices() -> None:
    def processes(launch: str) -> object:
        return plan_of(SANA, "", launch=launch).processes.value

    assert processes("python") == 1
    assert processes("accelerate launch") is None
    assert processes("accelerate launch --num_processes=4") == 4
    assert processes("CUDA_VISIBLE_DEVICES=0 accelerate launch") == 1
    assert processes("torchrun --nproc_per_node 2") == 2
    assert processes("torchrun --nproc_per_node gpu") is None


def test_schedule() -> None:
    assert plan_of(SANA, "--lr_scheduler=constant --lr_warmup_steps=100").optimizer.warmup_steps.value == 0
    warm = plan_of(SANA, "--lr_scheduler=cosine").optimizer.warmup_steps
    assert (warm.value, warm.origin) == (500, "default")
    stretched = plan_of(
        "train_text_to_image_lora_sdxl.py", "--lr_scheduler=cosine --lr_warmup_steps=10 --gradient_accumulation_steps=4"
    )
    assert stretched.optimizer.warmup_steps.value == 40
    assert (stretched.steps.value, stretched.epochs.value) == (None, 100)


def test_optimisers() -> None:
    assert plan_of(SANA, "--optimizer=Lion --use_8bit_adam").optimizer.name.value == "AdamW8bit"
    assert plan_of(SANA, "--optimizer=PRODIGY").optimizer.name.value == "prodigy"
    assert plan_of("train_text_to_image_lora_sdxl.py", "").optimizer.name.value == "AdamW"


def test_whole_models() -> None:
    plan = plan_of("train_instruct_pix2pix.py", "--dataset_name=x/y")
    assert plan.network.kind.value == "full"
    assert plan.datasets[0].caption_source.value == "column"


def test_pivotal_tuning_names_its_trigger() -> None:
    script = "train_dreambooth_lora_sdxl_advanced.py"
    assert plan_of(script, "--train_text_encoder_ti").trigger.value == "TOK"
    assert plan_of(script, '--instance_prompt="a TOK dog"').trigger.value is None
    assert plan_of(SANA, '--instance_prompt="a photo of sks dog"').trigger.value is None
    assert ids(FIXTURES / "sdxl_pivotal.bat") == {"pivotal-token-missing"}


def test_instance_folder(tmp_path: Path) -> None:
    folder = tmp_path / "dog"
    (folder / ".cache").mkdir(parents=True)
    for name in ("1.png", "2.JPG", "3.heic", "1.txt", ".DS_Store"):
        (folder / name).touch()
    plan = plan_of(KLEIN, '--instance_data_dir=dog --instance_prompt="a zwx dog" --repeats=3', tmp_path)
    (data,) = plan.datasets
    assert data.listing is not None
    assert data.listing.images == ("1.png", "2.JPG")
    assert data.listing.hidden == (".cache",)
    assert (data.repeats.value, data.caption_source.value, data.prompt.value) == (3, "prompt", "a zwx dog")
    path = tmp_path / "train.sh"
    path.write_text(f'accelerate launch {KLEIN} --instance_data_dir=dog --instance_prompt="a zwx dog"')
    (found,) = [found for found in found_in(path) if found.rule.id == "other-files-in-image-folder"]
    for name in ("1.txt", ".DS_Store", "3.heic"):
        assert name in found.finding.message
    assert "1 more" in found.finding.message


def test_a_local_dataset_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "set" / "train"
    folder.mkdir(parents=True)
    (folder / "1.png").touch()
    (folder / "metadata.jsonl").write_text('{"file_name": "1.png", "text": "a ring"}')
    plan = plan_of(SANA, "--dataset_name=set --caption_column=text --instance_prompt=x", tmp_path)
    (data,) = plan.datasets
    assert data.listing is not None
    assert data.listing.images == ("train/1.png",)
    assert data.caption_source.value == "column"


def test_caching_is_not_recommended_where_it_would_shuffle_captions() -> None:
    captions = plan_of(SANA, "--dataset_name=x/y --caption_column=text --instance_prompt=x")
    assert captions.cache_latents.value is None
    assert plan_of(SANA, "--instance_data_dir=x --instance_prompt=x").cache_latents.value is False
    assert plan_of(SDXL, "--instance_data_dir=x --instance_prompt=x").cache_latents.value is None  # has no such flag


def test_options_that_cannot_be_read_silence_what_rests_on_defaults(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text(f"accelerate launch {SANA} --offload $EXTRA\n")
    assert found_in(path) == []
    (plan,) = plans(path)
    assert plan.config.open
    assert plan.network.rank.value is None
    assert plan.batch_size.value is None


def test_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    text = (FIXTURES / "klein.sh").read_text()
    path.write_bytes(text.replace("\n", "\r\n").encode())
    (plan,) = plans(path)
    assert plan.network.rank.value == 32
    assert ids(path, "warning") == {"carriage-returns-in-script"}


def test_the_readme_command_gets_its_layers(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text(
        f"accelerate launch {KLEIN} \\\n  --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \\\n"
        '  --dataset_name=x/y \\\n  --caption_column=prompt \\\n  --instance_prompt="a zwx dog"\n'
    )
    (found,) = [found for found in found_in(path) if found.rule.id == "klein-encoder-layers"]
    assert found.finding.fix is not None
    after = apply(found.finding.fix.document.text, list(found.finding.fix.edits)).decode()
    assert after.endswith('--instance_prompt="a zwx dog" \\\n  --text_encoder_out_layers 9 18 27\n')


def test_frozen_share_of_a_bf16_adapter(tmp_path: Path) -> None:
    path = tmp_path / "train.sh"
    path.write_text(
        f"python {SANA} --pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers "
        "--instance_data_dir=dog --instance_prompt=x --mixed_precision=bf16 --train_batch_size=1 "
        "--rank=16 --lora_alpha=16"
    )
    (found,) = [found for found in found_in(path) if found.rule.id == "adapter-frozen-in-bf16"]
    assert "62% of `lora_A`" in found.finding.message  # counted with torch: 63 %


def test_a_caption_column_of_a_plain_folder_is_not_read(tmp_path: Path) -> None:
    folder = "--instance_data_dir=dog --caption_column=text --instance_prompt=x"
    assert plan_of(SANA, folder).datasets[0].caption_source.value == "prompt"
    path = tmp_path / "train.sh"
    path.write_text(f"python {SANA} --pretrained_model_name_or_path=m {folder} --cache_latents --train_batch_size=1")
    assert ids(path) == {"caption-column-ignored"}


def test_a_column_from_a_variable_is_still_a_column() -> None:
    plan = plan_of(SANA, "--dataset_name=x/y --caption_column=$COLUMN --instance_prompt=x --train_batch_size=4")
    assert plan.datasets[0].caption_source.value == "column"


def test_a_switch_given_twice_is_not_removed_by_halves() -> None:
    plan = plan_of(SDXL, "--scale_lr --scale_lr --train_batch_size=2")
    assert plan.get("scale_lr").remove() is None


def test_a_copy_of_the_script_says_which_options_it_takes(tmp_path: Path) -> None:
    """Somebody's own, or an older one: what it does not ask for is not missed, what it added is not unknown."""
    (tmp_path / "train_dreambooth_lora_sana.py").write_text(
        'parser.add_argument(\n    "--pretrained_model_name_or_path",\n    type=str,\n    required=True,\n)\n'
        'parser.add_argument("--instance_data_dir", type=str)\nparser.add_argument("--output_dir", type=str)\n'
        'parser.add_argument("--instance_prompt", default=None, required=False)\n'
        'parser.add_argument("--rank", type=int, default=4)\nparser.add_argument("--glyphs", action="store_true")\n',
        encoding="utf-8",
    )
    script = tmp_path / "train.sh"
    script.write_text(
        "accelerate launch train_dreambooth_lora_sana.py --pretrained_model_name_or_path=sana --output_dir=out \\\n"
        "  --instance_data_dir=rings --glyphs --rank=16 --lora_alpha=16\n",
        encoding="utf-8",
    )
    found = {(each.rule.id, each.finding.key) for each in lint_file(script).found if each.level != "note"}
    assert ("missing-key", "--instance_prompt") not in found
    assert ("unknown-key", "--glyphs") not in found
    assert any(key == "--lora_alpha" for _, key in found)  # this copy has no such option
