"""Small diffusion-pipe configs for tests: each is fine, for the rules in `RULES`, except for what its name says."""

from __future__ import annotations

RULES = "--select=never-saves,misspelt-key,no-checkpoints,full-fine-tune,secret-in-config,stale-ignore"
FINE = """\
output_dir = "out"
dataset = "dataset.toml"
epochs = 10
save_every_n_epochs = 1
checkpoint_every_n_minutes = 60
[model]
type = "sdxl"
checkpoint_path = "stabilityai/stable-diffusion-xl-base-1.0"
dtype = "bfloat16"
[adapter]
type = "lora"
rank = 32
dtype = "float32"
[optimizer]
type = "adamw_optimi"
lr = 1e-4
"""
NEVER_SAVES = FINE.replace("save_every_n_epochs = 1\n", "")  # an error with a safe fix
MISSPELT = FINE.replace("[model]", "warmup_stepz = 20\n[model]")  # an error with an unsafe fix
NO_CHECKPOINTS = FINE.replace("checkpoint_every_n_minutes = 60\n", "")  # a note
FULL = FINE.replace('[adapter]\ntype = "lora"\nrank = 32\ndtype = "float32"\n', "")  # a warning
SECRET = "hf_abcdefghijklmnopqrstuvwxyz0123456789"
WITH_SECRET = FINE + f'[monitoring]\nwandb_api_key = "{SECRET}"\n'
DATASET = 'resolutions = [1024]\nenable_ar_bucketz = true\n[[directory]]\npath = "images"\n'
