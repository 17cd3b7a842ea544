from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import suggest_key


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key this trainer does not read.

    Why: most trainers take the keys they know out of a config and never look at the rest, so a misspelt key or
    another trainer's word for it leaves the default in place without a message; the others stop at start.
    Instead: use the name in the message. A fork of the trainer may read more keys than the version this was checked
    against: ignore the finding there.
    Sources: the trainers' own code at the versions in `lora-doctor rules --json`; ostris/ai-toolkit
    toolkit/config_modules.py; unslothai/unsloth#10452, https://github.com/unslothai/unsloth/pull/10452

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    learning_rate = 1e-4
    [model]
    type = "flux2"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    dtype = "bfloat16"
    [adapter]
    type = "lora"
    rank = 32
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    """
    for config in plan.configs:
        reported: list[str] = []
        for key, setting in config.written():
            if config.table.find(key) or config.table.inside(key) or any(key.startswith(f"{k}.") for k in reported):
                continue
            reported.append(key)
            better = suggest_key(key, config.table, plan.trainer)
            message = f"`{setting.key}` is not a key {plan.trainer} reads: it is ignored"
            yield setting.finding(message, better.action if better else "remove it")
