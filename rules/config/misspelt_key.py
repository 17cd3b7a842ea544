from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import modified, unknown_keys


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key that is one or two letters away from one this trainer reads.

    Why: a misspelt key is ignored by trainers that do not check their keys, so the default stays in place without a
    message, and stops the others at start.
    Instead: use the name in the message.
    Sources: the key lists extracted from each trainer's code, with their versions; ostris/ai-toolkit@27a03a91
    toolkit/config_modules.py (`kwargs.get`), kohya-ss/sd-scripts@48d368fa library/train_util.py
    (`read_config_from_file`)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [optimizer]
    learning_rat = 2e-4
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [optimizer]
    learning_rate = 2e-4
    ```
    """
    for config, _, setting, better in unknown_keys(plan):
        if better is not None and better.kind == "typo":
            verdict = "the trainer stops at start" if config.strict else "it is ignored and the default stays in place"
            found = setting.key_finding(
                f"{plan.trainer} has no key `{setting.key}`: {verdict}",
                f"did you mean `{config.prefix}{better.key}`?",
                setting.call(better.key.rpartition(".")[2], safe=False),
            )
            yield found._replace(level="warning") if modified(plan, config) else found
