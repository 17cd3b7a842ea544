from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import is_of_type
from lora_doctor.suggest import one_table


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A value of a type this trainer can't take.

    Why: a string where a number is read, or a float where an integer is needed, passes the parser and fails after the
    model is loaded and the data are cached, or is compared and multiplied as something else.
    Instead: write the value as the type in the message.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py (`learning_rate = "1e-4"` in a TOML file is a TypeError
    after caching); tdrussell/diffusion-pipe@8f83dbf (`rank = 32.0` is a TypeError in PEFT)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    rank = "32"
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [data]
    folder = "images"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [adapter]
    rank = 32
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    learning_rate = 1e-4
    output_dir = "out"
    resume = false
    noise_offset = ""
    base_weights_multiplier = 1
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 8
    learning_rate = 1e-4
    max_train_steps = ""
    max_train_epochs = 10
    output_dir = "out"
    output_name = "zwx"
    ```
    """
    for config in plan.configs:
        valueless = {refusal.setting.key for refusal in config.refused if refusal.why == "needs a value"}
        for key, setting in config.written():
            known = config.table.find(key)
            if known is None or setting.value is None or is_of_type(setting.value, known.type, config.lenient):
                continue
            if config.blank(key) or setting.key in valueless:
                continue
            if one_table(config.table, key, setting):
                yield setting.finding(
                    f"`{setting.key}` is one table; {plan.trainer} needs a list of them",
                    f"write `[[{setting.key}]]`" if setting.place.document.syntax == "toml" else "write a list",
                )
                continue
            shown = repr(setting.value) if isinstance(setting.value, (str, int, float, bool)) else "a table or list"
            yield setting.finding(
                f"`{setting.key}` is {shown}; {plan.trainer} needs {_words(known.type)}",
                f"write {_words(known.type)}",
            )


def _words(kind: str) -> str:
    names = {"int": "an integer", "float": "a number", "bool": "true or false", "str": "a string", "table": "a table"}
    parts = ["a list" if part.startswith("list") else names.get(part, part) for part in kind.split("|")]
    parts = ["a number"] if set(parts) == {"an integer", "a number"} else parts
    return " or ".join(parts)
