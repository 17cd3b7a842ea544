from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OWN = "own"
WORDS = {OWN: "it keeps its own"}
FIXED = {
    "sana": {
        "flow_schedule_shift": OWN,
        "flow_schedule_auto_shift": OWN,
        "flow_use_beta_schedule": OWN,
        "flow_use_uniform_schedule": OWN,
        "pretrained_vae_model_name_or_path": OWN,
        "vae_dtype": "fp32",
        "tokenizer_max_length": "300",
        "aspect_bucket_alignment": "64",
    },
    "flux2": {"tokenizer_max_length": "512", "aspect_bucket_alignment": "16"},
    "sdxl": {"tokenizer_max_length": "77", "aspect_bucket_alignment": "64"},
}


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A setting that this model family overrules.

    Why: SANA keeps its own noise schedule, VAE and prompt length, FLUX.2 and SDXL their prompt length, and all three
    their bucket alignment: a value written for them is replaced, with at most a log line.
    Instead: remove it.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/models/sana/model.py lines 262-312,
    helpers/models/flux2/model.py line 1289, helpers/models/sdxl/model.py line 646

    ```json SimpleTuner flagged
    {
      "model_family": "sana", "model_flavour": "sana1.5-1.6b-1024", "model_type": "lora",
      "output_dir": "output/zwx", "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0, "flow_schedule_shift": 1.0
    }
    ```
    ```json SimpleTuner clean
    {
      "model_family": "sana", "model_flavour": "sana1.5-1.6b-1024", "model_type": "lora",
      "output_dir": "output/zwx", "data_backend_config": "multidatabackend.json", "optimizer": "adamw_bf16",
      "learning_rate": 0.0001, "max_train_steps": 2000, "num_train_epochs": 0
    }
    ```
    """
    family = str(plan.get("model_family").value)
    for key, kept in FIXED.get(family, {}).items() if plan.training else ():
        setting = plan.get(key)
        if setting.written and setting.value not in (None, False) and str(setting.value) != kept:
            yield setting.finding(
                f"`{family}` overrules `{key}` {setting.value}: {WORDS.get(kept, f'it is {kept} there')}",
                "remove it",
                setting.remove(),
            )
