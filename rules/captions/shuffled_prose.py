from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PROSE = ("flux2-klein", "flux2-dev", "flux1", "sana", "sd3")


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Caption parts are shuffled for a model that reads sentences.

    Why: shuffling at commas is made for tag lists and CLIP. Qwen3, T5 and Gemma read sentences: shuffled clauses no
    longer say which adjective belongs to what, and the trigger moves about.
    Instead: switch it off for these models; with tags on SDXL, keep the first ones (`keep_tokens`).
    Sources: kohya-ss/sd-scripts docs/train_network.md; ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py line 409
    (splits at commas)

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    shuffle_tags = true
    [[data]]
    folder = "data"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "stabilityai/stable-diffusion-xl-base-1.0"
    [captions]
    shuffle_tags = true
    keep_tags = 1
    [[data]]
    folder = "data"
    ```
    """
    if plan.model.family not in PROSE:
        return
    for data in plan.datasets:
        if data.shuffle_tags.written and data.shuffle_tags.value is True:
            yield data.shuffle_tags.finding(
                "captions are shuffled at their commas, but this model reads sentences",
                "switch it off",
                data.shuffle_tags.write(False, safe=False),
            )
