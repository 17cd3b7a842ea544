from collections.abc import Iterator

from lora_doctor.history import RateChange
from lora_doctor.rule import Finding, rule

FLUX = ("flux2-klein", "flux2-dev", "flux1")


@rule(level="warning", evidence="contested")
def check(change: RateChange) -> Iterator[Finding]:
    """The learning rate is not that of the last version, or of the run being resumed.

    Why: one side: practitioners of 50+ FLUX runs warn never to touch a rate that works ("even a 0.005 % change destroys
    image quality"). The other: published Klein recipes span a factor of six, warm-up changes the rate by 100 %, bf16
    itself resolves no better than 0.4 %, and sweeps find that the rate mostly moves *when* a LoRA converges. Both agree
    that an unnoticed change spoils a comparison, and that several trainers ignore a changed rate on resume.
    Instead: commit the change on its own with its reason; when resuming, check that the trainer takes the new rate
    (diffusion-pipe, the diffusers scripts and SimpleTuner's schedules keep the checkpoint's).
    Sources: spacepxl's sweep, https://github.com/spacepxl/demystifying-sd-finetuning; tdrussell/diffusion-pipe#278,
    https://github.com/tdrussell/diffusion-pipe/issues/278; the recipes in `lora_doctor/models/families.py`

    ```toml file out/config.toml
    output = "out"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 1e-4
    ```
    ```toml lora-doctor flagged
    output = "out"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 2e-4
    [saving]
    resume = true
    ```
    ```toml file out/config.toml
    output = "out"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 1e-4
    ```
    ```toml lora-doctor clean
    output = "out"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 1e-4
    [saving]
    resume = true
    ```
    """
    plan, rate = change.plan, change.plan.learning_rate
    percent = abs(float(rate.value or 0) - change.before) / change.before * 100 if change.before else 100.0
    finding = rate.finding(
        f"learning rate {rate.value:g}, {change.before:g} in {change.since}: a change of {percent:.3g} %",
        "keep it if it is meant",
    )
    yield finding if plan.model.family in FLUX else finding._replace(level="note")
