from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule
from lora_doctor.setting import key_table

OLD = {"MIN_SNR_GAMMA": "snr_gamma"}
LAUNCHER = ("TRAINER_DYNAMO_BACKEND", "TRAINING_DYNAMO_BACKEND")  # for accelerate


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A variable in config.env that SimpleTuner does not pass on.

    Why: only the variables in SimpleTuner's list become options; `LORA_RANK`, `VAE_BATCH_SIZE` and the names of 2024
    (`MIN_SNR_GAMMA`, `EMA_DECAY`, `PURE_BF16`, `FLUX`) are set for the shell and read by nothing, without a message.
    A file with one of the switches that chose the model in 2024 (`FLUX=true`) may be for a SimpleTuner of that time,
    which passed most of them on.
    Instead: put the option into `TRAINER_EXTRA_ARGS`, as `--lora_rank=32`.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/env_file.py (`env_to_args_map`)

    ```env SimpleTuner name=config.env flagged
    export MODEL_TYPE="lora"
    export MODEL_FAMILY="flux2"
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export LEARNING_RATE=1e-4
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    export LORA_RANK=32
    ```
    ```env SimpleTuner name=config.env clean
    export MODEL_TYPE="lora"
    export MODEL_FAMILY="flux2"
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export LEARNING_RATE=1e-4
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    export TRAINER_EXTRA_ARGS="--lora_rank=32"
    ```
    ```env SimpleTuner name=config.env flagged
    export MODEL_TYPE="lora"
    export FLUX=true
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export LEARNING_RATE=1e-4
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    export MIN_SNR_GAMMA=5
    ```
    """
    document = plan.config.document
    if not plan.training or document.syntax != "shell" or plan.config.prefix:
        return
    options = key_table("simpletuner", "config").keys
    family = plan.get("model_family")
    of_2024 = family.written and family.key != "MODEL_FAMILY" and not family.key.startswith("--")
    if of_2024:
        fix = family.write(family.value, safe=False)
        yield family.finding(
            f"`{family.key}` chose the model in 2024; a newer SimpleTuner reads `MODEL_FAMILY` only and stops without",
            f"set `MODEL_FAMILY` to `{family.value}`",
            fix and fix._replace(description=f"set `MODEL_FAMILY` to {family.value}"),
        )._replace(level="warning")
    passed = {setting.place.path for _, setting in plan.config.written() if setting.place}
    for path, entry in document.entries.items():
        if len(path) != 2 or path[0] != "env" or path in passed or not entry.value or entry.key is None:
            continue
        name, value = str(path[1]), str(entry.value)
        option = OLD.get(name) or (name.lower() if name.isupper() else "")
        default = options[option].default if option in options else None
        if name in LAUNCHER or value.lower() in ("false", str(default).lower()):
            continue
        place = Place(document, entry.key, path)
        if option in options:
            shown = value if " " not in value else f"'{value}'"
            action = f"add `--{option}={shown}` to `TRAINER_EXTRA_ARGS`"
            found = Finding(place, f"`{name}` is not passed on: it has no effect", action, name, value)
            yield found._replace(level="warning") if of_2024 else found
