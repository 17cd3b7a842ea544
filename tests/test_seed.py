"""What the field's most-copied notes on these models say, statement by statement: each has rules, and an example.

The notes are a page on LoRA training for FLUX Klein 9B, SANA and SDXL. Statements about datasets and captions that need
the images opened are not in this table; those that a config (or the names in its folder) can show are.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from lora_doctor.lint import Found, lint_file
from lora_doctor.rule import all_rules

KLEIN = 'output = "out"\n[model]\npath = "black-forest-labs/FLUX.2-klein-base-9B"\n'
SANA = 'output = "out"\n[model]\npath = "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers"\n'
DP = (
    'output_dir = "out"\ndataset = "d.toml"\nepochs = 10\nsave_every_n_epochs = 1\n{top}[model]\ntype = "flux2"\n'
    'diffusion_model = "/m/flux-2-klein-base-9b.safetensors"\nvae = "/m/flux2-vae.safetensors"\n'
    'text_encoders = [{{path = "/m/{encoder}.safetensors", type = "flux2"}}]\ndtype = "bfloat16"\n'
    '{model}[adapter]\ntype = "lora"\nrank = 32\n{adapter}[optimizer]\ntype = "adamw_optimi"\nlr = 5e-5\n'
)
AIT = """\
job: extension
config:
  name: zwx
  process:
    - type: sd_trainer
      training_folder: out
      network: {{{network}}}
      datasets:
        - {{folder_path: data, resolution: 1024}}
      train: {{steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, optimizer: adamw8bit{train}}}
      model: {{name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}}
"""
SCRIPT = "accelerate launch train_dreambooth_lora_sana.py {flags}\n"
SANA_FLAGS = (
    "--pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers "
    '--instance_data_dir=data --output_dir=out --instance_prompt="a photo of zwx jewelry" --seed=0 '
)


def dp(top: str = "", model: str = "", adapter: str = "", encoder: str = "qwen_3_8b") -> str:
    return DP.format(top=top, model=model, adapter=adapter, encoder=encoder)


def ait(network: str = "type: lora, linear: 32, linear_alpha: 32", train: str = "") -> str:
    return AIT.format(network=network, train=train)


class Statement(NamedTuple):
    """A statement in our words, the rules that speak of it, and a config on which each of them fires."""

    says: str
    rules: tuple[str, ...]
    name: str
    text: str


STATEMENTS = (
    Statement(
        "use a rare token such as sks", ("trigger-with-a-meaning",), "c.toml", KLEIN + '[captions]\ntrigger = "sks"\n'
    ),
    Statement(
        "the trigger is required for activation",
        ("trigger-missing-from-prompts",),
        "c.toml",
        KLEIN + '[captions]\ntrigger = "zwx"\n[validation]\nprompts = ["a ring"]\n',
    ),
    Statement("train at 1024", ("resolution-left-at-default",), "t.sh", SCRIPT.format(flags=SANA_FLAGS)),
    Statement(
        "network dims 128/64/64/32",
        ("fifty-runs-dims", "conv-rank-without-conv"),
        "j.yaml",
        ait("type: lora, linear: 128, linear_alpha: 64, conv: 64, conv_alpha: 32"),
    ),
    Statement(
        "weight decay 0.00001",
        ("fifty-runs-weight-decay", "weight-decay-without-effect"),
        "c.toml",
        KLEIN + "[training]\nsteps = 7000\n[optimizer]\nweight_decay = 0.00001\n",
    ),
    Statement(
        "learning rate: do not change",
        ("learning-rate-off-recipe",),
        "c.toml",
        'recipe = "klein-fifty-runs"\n' + KLEIN + "[optimizer]\nlearning_rate = 1e-4\n",
    ),
    Statement(
        "about 7,000 steps, anatomy distorts beyond",
        ("steps-past-seven-thousand",),
        "c.toml",
        KLEIN + "[training]\nsteps = 9000\n",
    ),
    Statement(
        "train on the base model, not the distilled one",
        ("distilled-base",),
        "c.toml",
        'output = "out"\n[model]\npath = "black-forest-labs/FLUX.2-klein-9B"\n',
    ),
    Statement("9B uses qwen_3_8b, 4B qwen_3_4b", ("text-encoder-mismatch",), "c.toml", dp(encoder="qwen_3_4b")),
    Statement("fp8 saves memory with 9B", ("nine-b-in-bf16",), "c.toml", dp()),
    Statement(
        "SANA: learning rate 1e-4",
        ("learning-rate-unpublished",),
        "c.toml",
        SANA + "[optimizer]\nlearning_rate = 1e-6\n",
    ),
    Statement(
        "SANA: 500 steps, effective batch 4, 8-bit AdamW, constant, no warm-up",
        ("off-recipe",),
        "c.toml",
        'recipe = "sana"\n' + SANA + "[training]\nsteps = 7000\n",
    ),
    Statement(
        "SANA: no warm-up needed",
        ("warmup-eats-the-run",),
        "t.sh",
        SCRIPT.format(flags=SANA_FLAGS + "--resolution=1024 --lr_scheduler=cosine --max_train_steps=500"),
    ),
    Statement(
        "SANA: bf16 is required", ("bf16-checkpoint-in-fp16",), "c.toml", SANA + '[precision]\ncompute = "fp16"\n'
    ),
    Statement(
        "target attn.to_k, to_q, to_v",
        ("targets-reach-little",),
        "c.toml",
        KLEIN + '[adapter]\ntargets = ["attn.to_k", "attn.to_q", "attn.to_v"]\n',
    ),
    Statement(
        "scaling is alpha / rank: below, subtler",
        ("alpha-far-below-rank",),
        "c.toml",
        KLEIN + "[adapter]\nrank = 64\nalpha = 4\n",
    ),
    Statement(
        "alpha above rank amplifies", ("alpha-above-rank",), "c.toml", KLEIN + "[adapter]\nrank = 8\nalpha = 64\n"
    ),
    Statement(
        "rank 4 / alpha 4 unless set",
        ("rank-left-at-default",),
        "t.sh",
        SCRIPT.format(flags=SANA_FLAGS + "--resolution=1024 --max_train_steps=500"),
    ),
    Statement("cache latents for SANA", ("latents-not-cached",), "c.toml", SANA + "[memory]\ncache_latents = false\n"),
    Statement("alpha is configurable", ("adapter-alpha",), "c.toml", dp(adapter="alpha = 16\n")),
    Statement(
        "diffusion-pipe needs save intervals", ("never-saves",), "c.toml", dp().replace("save_every_n_epochs = 1\n", "")
    ),
    Statement("diffusion-pipe needs epochs", ("missing-key",), "c.toml", dp().replace("epochs = 10\n", "")),
    Statement(
        "learning-rate schedules differ between trainers",
        ("value-not-accepted",),
        "c.toml",
        dp(top='lr_scheduler = "cosine_with_restarts"\n'),
    ),
    Statement(
        "Prodigy sets its own rate",
        ("learning-rate-of-another-optimizer",),
        "c.toml",
        KLEIN + '[optimizer]\nname = "prodigy"\nlearning_rate = 1e-4\n',
    ),
    Statement(
        "text-encoder LoRA is not for Klein",
        ("text-encoder-untrainable",),
        "j.yaml",
        ait(train=", train_text_encoder: true"),
    ),
    Statement(
        "kohya can't train Klein",
        ("trainer-without-family",),
        "c.toml",
        'pretrained_model_name_or_path = "flux-2-klein-base-9b.safetensors"\nnetwork_module = "networks.lora"\n'
        'network_dim = 16\nnetwork_alpha = 16\nlearning_rate = 1e-4\nmax_train_steps = 1500\noutput_dir = "out"\n'
        'output_name = "zwx"\n',
    ),
)


@pytest.mark.parametrize("statement", STATEMENTS, ids=[s.says for s in STATEMENTS])
def test_statement(statement: Statement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(statement.name).write_text(statement.text, encoding="utf-8")
    result = lint_file(Path(statement.name))
    assert not result.problems
    assert set(statement.rules) <= {found.rule.id for found in result.found}


def test_contested_claims_are_never_errors() -> None:
    contested = [rule for rule in all_rules() if rule.evidence == "contested"]
    assert len(contested) >= 5
    assert all(rule.level != "error" for rule in contested)
    assert all("for it" in doc and "against" in doc for doc in map(_both_sides, contested))


def _both_sides(rule: object) -> str:
    doc = str(getattr(rule, "check").__doc__).lower()  # noqa: B009
    return doc.replace("one side:", "for it").replace("the other:", "against")


SEED_MAIN = """\
[model]
type = 'flux2'
diffusion_model = '/path/to/flux-2-klein-base-9b.safetensors'
vae = '/path/to/flux2-vae.safetensors'
text_encoders = [
    {path = '/path/to/qwen_3_8b.safetensors', type = 'flux2'}
]
dtype = 'bfloat16'
diffusion_model_dtype = 'float8'
timestep_sample_method = 'logit_normal'
shift = 3
[adapter]
type = 'lora'
rank = 32
dtype = 'bfloat16'
[optimizer]
type = 'AdamW8bitKahan'
lr = 5e-5
betas = [0.9, 0.99]
weight_decay = 0.01
"""
SEED_DATASET = """\
resolutions = [1024]
enable_ar_bucket = true
min_ar = 0.5
max_ar = 2.0
num_ar_buckets = 7
num_repeats = 1
"""
SEED_SANA = """\
accelerate launch train_dreambooth_lora_sana.py \\
--pretrained_model_name_or_path=Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers \\
--instance_data_dir=data/dreambooth/jewelry \\
--output_dir=trained-sana-lora \\
--mixed_precision=bf16 \\
--instance_prompt="a photo of sks jewelry" \\
--resolution=1024 \\
--train_batch_size=1 \\
--gradient_accumulation_steps=4 \\
--use_8bit_adam \\
--learning_rate=1e-4 \\
--lr_scheduler=constant \\
--lr_warmup_steps=0 \\
--max_train_steps=500 \\
--validation_prompt="A photo of sks jewelry on black velvet" \\
--validation_epochs=25 \\
--seed=0 \\
--cache_latents \\
--offload
"""
README_KLEIN = """\
export MODEL_NAME="black-forest-labs/FLUX.2-klein-4B"
export OUTPUT_DIR="trained-flux2-klein-4b"
accelerate launch train_dreambooth_lora_flux2_klein.py \\
  --pretrained_model_name_or_path=$MODEL_NAME --dataset_name="linoyts/yarn_art_style" --output_dir=$OUTPUT_DIR \\
  --do_fp8_training --gradient_checkpointing --cache_latents --instance_prompt="a puppy, yarn art style" \\
  --resolution=1024 --train_batch_size=1 --guidance_scale=1 --use_8bit_adam --gradient_accumulation_steps=4 \\
  --optimizer="adamW" --learning_rate=1e-4 --lr_scheduler="constant" --lr_warmup_steps=100 --max_train_steps=500 \\
  --seed="0"
"""


def _lint(text: str, name: str, folder: Path) -> list[Found]:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    result = lint_file(path)
    assert not result.problems
    return list(result.found)


def _ids(found: list[Found]) -> set[str]:
    return {f.rule.id for f in found}


def test_the_published_diffusion_pipe_config_says_what_crashes(tmp_path: Path) -> None:
    found = _lint(SEED_MAIN, "main.toml", tmp_path)
    missing = {f.finding.key for f in found if f.rule.id == "missing-key"}
    assert {"epochs", "output_dir", "dataset"} <= missing
    assert {"never-saves", "kahan-on-new-bitsandbytes"} <= _ids(found)


def test_the_published_dataset_has_no_directory(tmp_path: Path) -> None:
    found = _lint(SEED_DATASET, "dataset.toml", tmp_path)
    assert {"directory"} == {f.finding.key for f in found if f.rule.id == "missing-key"}


def test_the_published_sana_command(tmp_path: Path) -> None:
    ids = _ids(_lint(SEED_SANA, "train.sh", tmp_path))
    assert {
        "rank-left-at-default",
        "trigger-with-a-meaning",
        "trained-without-instruction",
        "captions-shuffled-against-images",
    } <= ids


def test_the_diffusers_readme_command(tmp_path: Path) -> None:
    ids = _ids(_lint(README_KLEIN, "train.sh", tmp_path))
    assert {"distilled-base", "klein-encoder-layers"} <= ids
