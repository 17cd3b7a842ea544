from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import unknown_keys


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key for something this trainer does not have.

    Why: masked training, control images, adapter start weights or retention exist under some name in most trainers,
    but not in all: musubi-tuner has no masks and no caption dropout, the diffusers scripts no masks. The key is ignored
    (or refused at start) and the run trains without the feature.
    Instead: a trainer that has it, named in the message, or do without.
    Sources: the key lists extracted from each trainer's code, with their versions; kohya-ss/musubi-tuner@30c658c

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    noise_offset = 0.05
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    """
    for config, _, setting, better in unknown_keys(plan):
        if better is not None and better.kind == "feature":
            verdict = "the trainer stops at start" if config.strict else "the key is ignored"
            yield setting.key_finding(
                f"{plan.trainer} has no setting like `{setting.key}`: {verdict}", f"{better.key} has it"
            )
