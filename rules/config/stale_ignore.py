from collections.abc import Iterator

from lora_doctor.rule import Finding, Place, rule
from lora_doctor.suppress import Suppressions, Unused, removal

MESSAGES = {
    "unnamed": "`lora-doctor: ignore` names no rule, so it suppresses nothing",
    "unknown": "`{rule}` is no rule of lora-doctor, so ignoring it suppresses nothing",
    "foreign": "`{rule}` never looks at configs of this trainer, so ignoring it suppresses nothing",
    "silent": "`{rule}` finds nothing here any more",
}


@rule(level="warning", evidence="source")
def check(suppressions: Suppressions) -> Iterator[Finding]:
    """A suppression that suppresses nothing.

    Why: an `ignore` that outlives its reason, or was misspelt, reads as if somebody had looked at a finding and
    answered for it; when the setting goes wrong again later, the comment hides that.
    Instead: remove it, or correct the rule's name. A suppression whose rule did not run (deselected, another version
    of the trainer, files missing on this machine) is never called stale.
    Sources: ruff's unused-noqa, https://docs.astral.sh/ruff/rules/unused-noqa/; biome's suppressions/unused,
    https://biomejs.dev/linter/rules/no-unused-suppressions/

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    # lora-doctor: ignore[unknow-key] read by our fork
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    # lora-doctor: ignore[unknown-key] read by our fork
    our_own_flag_xyz = true
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    ```
    """
    for unused in suppressions.unused:
        place = Place(suppressions.document, unused.suppression.span)
        message = MESSAGES[unused.why].format(rule=unused.rule)
        yield Finding(place, message, _action(unused), key=unused.rule, fix=removal(unused))


def _action(unused: Unused) -> str:
    if unused.why == "unnamed":
        return "write `ignore[rule]` with the rule's name, or remove it"
    return f"did you mean `{unused.closest}`?" if unused.closest else "remove it"
