from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Tags are shuffled and none is kept in place.

    Why: a trigger that stands first loses its place, and with several tags before CLIP's 75-token limit it sometimes
    falls off.
    Instead: keep the first tag (`keep_tokens = 1`, or a keep-tokens separator).
    Sources: kohya-ss/sd-scripts docs/train_network.md (`--keep_tokens`)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [captions]
    trigger = "zwx"
    shuffle_tags = true
    [[data]]
    folder = "data"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [captions]
    trigger = "zwx"
    shuffle_tags = true
    keep_tags = 1
    [[data]]
    folder = "data"
    ```
    """
    if plan.model.family not in ("sdxl", "sd15", "sd2") or not plan.trigger.value:
        return
    for data in plan.datasets:
        if data.shuffle_tags.value is True and data.shuffle_tags.written and data.keep_tokens.value == 0:
            yield data.shuffle_tags.finding(
                f"tags are shuffled and none is kept in place: the trigger `{plan.trigger.value}` moves about",
                f"set `{data.keep_tokens.key}` to 1",
                data.keep_tokens.write(1, safe=False),
            )
