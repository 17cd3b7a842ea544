from collections.abc import Iterator

from lora_doctor.adapter.series import Series, step_of
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(series: Series) -> Iterator[Finding]:
    """Two checkpoints of a run hold the same weights.

    Why: a run that changes nothing between two saves is not training: the learning rate reached zero, the optimiser's
    state was restored over the weights, or the trainer saved a copy it did not update.
    Instead: look at the learning rate between the two steps, and at what was resumed. A last file that repeats the
    last numbered checkpoint is normal.
    Sources: kohya-ss/sd-scripts#954, https://github.com/kohya-ss/sd-scripts/issues/954; kohya-ss/sd-scripts#840,
    https://github.com/kohya-ss/sd-scripts/issues/840

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0.attn.to_out"
    weights = true
    again = [{seed = 1}, {seed = 1}]
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "single_transformer_blocks.0.attn.to_out"
    weights = true
    again = [{seed = 1}, {seed = 2}]
    ```
    """
    for first, second in series.identical:
        if step_of(second.file.path.stem)[0] == float("inf"):
            continue
        yield series.finding(
            second,
            f"{second.file.path.name} holds the same weights as {first.file.path.name}: nothing was trained between",
            "look at the learning rate and at what was resumed",
        )
