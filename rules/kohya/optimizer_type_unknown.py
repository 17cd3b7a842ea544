from collections.abc import Iterator
from difflib import get_close_matches

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

OWN = (
    "AdamW", "AdamW8bit", "PagedAdamW", "PagedAdamW8bit", "PagedAdamW32bit", "Lion", "Lion8bit", "PagedLion8bit",
    "SGDNesterov", "SGDNesterov8bit", "DAdaptation", "DAdaptAdamPreprint", "DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan",
    "DAdaptAdanIP", "DAdaptLion", "DAdaptSGD", "Prodigy", "Adafactor", "RAdamScheduleFree", "AdamWScheduleFree",
    "SGDScheduleFree",
)  # fmt: skip
# Taken from torch.optim by their exact names
TORCH = (
    "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "Muon", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam",
)  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An optimiser name that sd-scripts does not have.

    Why: names it does not know are looked up in `torch.optim`, case and all, after the model is loaded and everything
    is cached; an AttributeError ends the run there.
    Instead: use the name in the message, or the full path of a class (`package.module.Class`).
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py `get_optimizer`, lines 4825-5125,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    optimizer_type = "Adam8bit"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    optimizer_type = "AdamW8bit"
    ```
    """
    setting = plan.argument("optimizer_type")
    name = setting.value
    if not plan.training or not setting.written or not isinstance(name, str) or not name or "." in name:
        return
    if name.lower() in {known.lower() for known in OWN} or name in TORCH:
        return
    close = get_close_matches(name.lower(), {known.lower(): known for known in (*OWN, *TORCH)}, n=1, cutoff=0.6)
    better = next((known for known in (*OWN, *TORCH) if close and known.lower() == close[0]), "")
    yield setting.finding(
        f"sd-scripts has no optimiser `{name}`: the run ends after the model is loaded and everything is cached",
        f"did you mean `{better}`?" if better else "give the full path of its class",
    )
