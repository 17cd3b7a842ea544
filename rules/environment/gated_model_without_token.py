from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule

GATED = {
    f"black-forest-labs/{name}"
    for name in (
        "flux.1-dev",
        "flux.1-fill-dev",
        "flux.1-kontext-dev",
        "flux.1-krea-dev",
        "flux.1-depth-dev",
        "flux.1-canny-dev",
        "flux.2-dev",
        "flux.2-klein-9b",
        "flux.2-klein-base-9b",
    )
}


@rule(level="warning", evidence="documented")
def check(environment: Environment) -> Iterator[Finding]:
    """A gated model, and no Hugging Face token here.

    Why: FLUX.1 and FLUX.2 dev and Klein 9B are given only to accounts that accepted their licence: without a token
    the download ends in 401 or 403. Klein 4B, SANA and SDXL are open.
    Instead: accept the licence on the model's page and run `hf auth login`; or name a local file. This is judged
    with `lora-doctor lint --environment` only.
    Sources: model pages on huggingface.co/black-forest-labs; Nerogar/OneTrainer#891,
    https://github.com/Nerogar/OneTrainer/issues/891

    ```environment
    token: no
    ```
    ```toml lora-doctor flagged
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[dataset]]
    folder = "images"
    ```
    ```environment
    token: no
    ```
    ```toml lora-doctor clean
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [[dataset]]
    folder = "images"
    ```
    """
    plan = environment.plan
    if environment.token is not False:
        return
    for part in (plan.model, plan.text_encoder, plan.vae):
        name = part.setting.value
        if isinstance(name, str) and name.lower() in GATED and part.setting.place:
            yield part.setting.finding(
                f"`{name}` is gated and no Hugging Face token is on this machine: its download ends in 401 or 403",
                "accept its licence, then `hf auth login`",
            )
