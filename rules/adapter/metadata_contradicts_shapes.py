from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(adapter: Adapter) -> Iterator[Finding]:
    """The metadata names another model than the shapes fit.

    Why: names and shapes decide what a LoRA can be applied to. Interfaces that sort by `ss_base_model_version` or
    `modelspec.architecture` will offer this file for a model that refuses it, or ignores most of it.
    Instead: correct the entry with `lora-doctor metadata set`. It is left over from a merge, a conversion or a
    template.
    Sources: sd-scripts networks' metadata (library/train_util.py@48d368f); musubi-tuner
    flux_2_train_network.py@30c658c

    ```adapter flagged
    model = "flux2-klein-4b"
    format = "kohya"
    targets = "single_blocks.0"
    metadata = {ss_base_model_version = "flux_2_klein_9b"}
    ```
    ```adapter clean
    model = "flux2-klein-9b"
    format = "kohya"
    targets = "single_blocks.0"
    metadata = {ss_base_model_version = "flux_2_klein_9b"}
    ```
    """
    if adapter.identity.conflict:
        yield adapter.finding(
            adapter.identity.conflict,
            "trust the shapes, and correct `ss_base_model_version` or `modelspec.architecture`",
        )
