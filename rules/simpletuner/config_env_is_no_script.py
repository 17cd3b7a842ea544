from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """config.env uses the shell, and `simpletuner train` does not.

    Why: `simpletuner train` reads config.env line by line. It expands no `$VARIABLE`, and a comment behind a value
    becomes part of it: `MIXED_PRECISION="bf16" # comment` is refused at start. Only the old train.sh hands the file to
    bash.
    Instead: write the values out, and comments on lines of their own.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/configuration/env_file.py (`parse_env_file`, run on such a
    file), helpers/configuration/loader.py

    ```env SimpleTuner name=config.env flagged
    export MODEL_TYPE="lora"
    export MODEL_FAMILY="flux2"
    export OUTPUT_DIR="output/zwx"
    export DATALOADER_CONFIG="config/multidatabackend.json"
    export OPTIMIZER="adamw_bf16"
    export LEARNING_RATE=1e-4
    export MAX_NUM_STEPS=2000
    export NUM_EPOCHS=0
    export RESOLUTION=1024
    export MINIMUM_RESOLUTION=$RESOLUTION
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
    export RESOLUTION=1024
    export MINIMUM_RESOLUTION=1024
    ```
    """
    document = plan.config.document
    if not plan.training or document.syntax != "shell" or plan.config.prefix:
        return
    for key, setting in plan.config.written():
        place = setting.place
        entry = document.entries.get(place.path) if place else None
        if place is None or entry is None:
            continue
        line = document.position(entry.span.start).line
        behind = [comment for comment in document.comments if document.position(comment.span.start).line == line]
        raw = document.text[entry.span.start : entry.span.end].decode("utf-8", "replace")
        if "$" in raw and not raw.startswith("'"):
            shown = raw.strip('"')
            message = f"`simpletuner train` expands no variables: `{key}` becomes {shown} itself"
            yield setting.finding(message, "write the value out")
        elif behind:
            yield setting.finding(
                f"`simpletuner train` takes the comment for a part of `{key}`", "put it on a line of its own"
            )
