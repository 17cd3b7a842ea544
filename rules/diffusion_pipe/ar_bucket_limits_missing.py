from collections.abc import Iterator

from lora_doctor.plan import Dataset, Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Aspect-ratio buckets without their limits at the top of the file.

    Why: `min_ar`, `max_ar` and `num_ar_buckets` have no defaults. The top-level value is read even where the
    directory has its own (`get(key, dataset_config[key])` looks it up first), so limits written only under
    `[[directory]]` are a KeyError as well.
    Instead: write the three keys above the first `[[directory]]`, or give `ar_buckets`.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 501-508,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe flagged
    resolutions = [1024]
    [[directory]]
    path = "images"
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    """
    for data in plan.datasets:
        if data.buckets.value is not True or any(_has(data, key) for key in ("ar_buckets", "size_buckets")):
            continue
        missing = [key for key in ("min_ar", "max_ar", "num_ar_buckets") if not data.config.has(key)]
        if missing:
            inside = [key for key in missing if data.get(key).written]
            place = " at the top of the file (the value in the directory does not help)" if inside else ""
            yield data.buckets.finding(
                f"no `{'`, no `'.join(missing)}`{place}: KeyError at start", "write it above the first `[[directory]]`"
            )


def _has(data: Dataset, key: str) -> bool:
    return data.get(key).written or data.config.has(key)
