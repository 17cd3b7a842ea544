from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import unknown_keys


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A known key in a table where it is not read.

    Why: a trainer looks for each key in one place. In TOML everything below a `[table]` line belongs to that table, so
    a key moved down by accident is silently ignored.
    Instead: move it to the place in the message.
    Sources: tdrussell/diffusion-pipe@8f83dbf train.py (top-level keys read with `config.get`), two of twelve published
    main configs have one in the wrong table; ostris/ai-toolkit@27a03a91 toolkit/config_modules.py

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    dtype = "bfloat16"
    blocks_to_swap = 5
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    blocks_to_swap = 5
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    """
    for config, _, setting, better in unknown_keys(plan):
        if better is not None and better.kind == "misplaced":
            home = better.key.rpartition(".")[0]
            where = f"under `{home}`" if home else "at the top level"
            if home.endswith(".*"):
                where = f"in each entry of `{home.removesuffix('.*')}`"
            verdict = "stops at start" if config.strict else "it is ignored"
            yield setting.key_finding(
                f"{plan.trainer} does not read `{setting.key}` here: {verdict}", f"write it {where}"
            )
