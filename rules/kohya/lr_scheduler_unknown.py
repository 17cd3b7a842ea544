from collections.abc import Iterator
from difflib import get_close_matches

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

# transformers.SchedulerType, and `piecewise_constant` of diffusers
KNOWN = (
    "constant", "constant_with_warmup", "cosine", "cosine_with_restarts", "linear", "polynomial", "inverse_sqrt",
    "cosine_with_min_lr", "cosine_warmup_with_min_lr", "warmup_stable_decay", "reduce_lr_on_plateau",
    "piecewise_constant", "greedy",
)  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An `lr_scheduler` that sd-scripts does not have.

    Why: any text is accepted at start; the name is looked up after the model is loaded and everything is cached, and a
    ValueError ends the run there.
    Instead: use a name from the message; a class of another library goes into `lr_scheduler_type`.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py line 5326 (`SchedulerType(name)` of transformers),
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    lr_scheduler = "cosine_annealing"
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    lr_scheduler = "cosine"
    ```
    """
    setting = plan.argument("lr_scheduler")
    name = setting.value
    custom = plan.argument("lr_scheduler_type").value
    if not plan.training or not setting.written or not isinstance(name, str) or custom:
        return
    if name in KNOWN or name.startswith("adafactor") or str(plan.optimizer.name.value).lower().endswith("schedulefree"):
        return
    close = get_close_matches(name, KNOWN, n=1, cutoff=0.5)
    yield setting.finding(
        f"`{name}` is no schedule of sd-scripts: a ValueError ends the run after the model is loaded and all is cached",
        f"did you mean `{close[0]}`?" if close else "use one of " + ", ".join(f"`{known}`" for known in KNOWN[:6]),
    )
