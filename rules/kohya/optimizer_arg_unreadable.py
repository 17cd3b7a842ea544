import ast
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An optimiser or scheduler argument that is no `name=value` in Python.

    Why: the part behind the single `=` is read by `ast.literal_eval`: `true`, a bare word or an empty value is a
    ValueError, raised after the model is loaded and everything is cached.
    Instead: `True`, `False`, `None`, a number, or a quoted string.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 4858 and line 5285,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    optimizer_type = "Prodigy"
    learning_rate = 1.0
    optimizer_args = ["decouple=true", "weight_decay=0.01"]
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    optimizer_type = "Prodigy"
    learning_rate = 1.0
    optimizer_args = ["decouple=True", "weight_decay=0.01", "betas=0.9,0.99"]
    ```
    """
    for key in ("optimizer_args", "lr_scheduler_args"):
        setting = plan.argument(key)
        words = setting.value if plan.training and isinstance(setting.value, list) else []
        for word in (word for word in words if isinstance(word, str)):
            trouble = _trouble(word)
            if trouble:
                yield setting.finding(
                    f"`{word}` {trouble}: a ValueError stops the run, after the model is loaded and all is cached",
                    f"write `{_better(word)}`" if _better(word) else "write `name=value`, the value as in Python",
                )
                break


def _trouble(word: str) -> str:
    if word.count("=") != 1:
        return "is not `name=value`"
    try:
        ast.literal_eval(word.partition("=")[2])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return "has a value that Python can't read"
    return ""


def _better(word: str) -> str:
    name, _, value = word.partition("=")
    known = {"true": "True", "false": "False", "none": "None", "null": "None"}.get(value.lower())
    return f"{name}={known}" if known else ""
