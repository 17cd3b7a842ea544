from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """More than three `resolutions`: diffusion-pipe prints a warning and quits.

    Why: each entry trains the whole dataset once more at that size, so the loader refuses a long list unless it is
    started with `--i_know_what_i_am_doing`. It quits with exit code 0: a queue goes on as if it had trained.
    Instead: keep the one or two sizes you want; aspect ratios belong in the buckets, not here.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 531-539, examples/dataset.toml,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [512, 768, 896, 1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe clean
    resolutions = [768, 1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    """
    flags = plan.launch
    if flags and flags.get("i_know_what_i_am_doing").value is True:
        return
    for data in plan.datasets:
        own = data.get("resolutions")
        setting = own if own.written else data.config.get("resolutions")
        if isinstance(setting.value, list) and len(setting.value) > 3:
            yield setting.finding(
                f"{len(setting.value)} `resolutions`: the run quits unless `--i_know_what_i_am_doing` is given",
                "keep three at most",
            )
