from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`resolutions` stands only under `[[directory]]`.

    Why: the loader looks the top-level `resolutions` up before the directory's own (`get('resolutions',
    dataset_config['resolutions'])`): without one it is a KeyError at start.
    Instead: write `resolutions` above the first `[[directory]]`; the directory's value still counts there.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 462-465,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    enable_ar_bucket = false
    [[directory]]
    path = "images"
    resolutions = [1024]
    ```
    ```toml diffusion-pipe clean
    enable_ar_bucket = false
    resolutions = [1024]
    [[directory]]
    path = "images"
    resolutions = [768]
    ```
    """
    for data in plan.datasets:
        sized = data.get("size_buckets").written or data.config.has("size_buckets")
        if not sized and not data.config.has("resolutions"):
            inside = data.get("resolutions")
            setting = inside if inside.written else data.config.get("resolutions")
            yield setting.finding(
                "no `resolutions` at the top of the file: KeyError at start"
                + (" (the value in the directory does not help)" if inside.written else ""),
                "write it above the first `[[directory]]`",
            )
