from collections.abc import Iterator
from os.path import normpath

from lora_doctor.plan import Dataset, Plan
from lora_doctor.rule import Finding, rule

SHARED = ("caption_prefix", "mask_path", "control_path", "skip_empty_caption", "shuffle_tags", "cache_shuffle_num",
          "enable_ar_bucket", "ar_buckets", "min_ar", "max_ar", "num_ar_buckets")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The same folder twice, with different captions or buckets.

    Why: the cache lies in the folder itself and both entries write to it: captions, prefix, mask and ratio buckets
    of the entry read last are used for both, without a message. Entries that differ in `num_repeats` or
    `resolutions` only are fine.
    Instead: copy the folder, or keep one entry.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 483, 590-640 and 524-588,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    caption_prefix = "zwx, "
    [[directory]]
    path = "images"
    caption_prefix = "photo of "
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    num_repeats = 2
    [[directory]]
    path = "images"
    resolutions = [768]
    ```
    """
    seen: dict[str, Dataset] = {}
    for data in plan.datasets:
        if not isinstance(data.folder.value, str):
            continue
        first = seen.setdefault(normpath(data.folder.value), data)
        different = [key for key in SHARED if first.get(key).value != data.get(key).value]
        if first is not data and different:
            yield data.folder.finding(
                f"`{data.folder.value}` is listed twice with another `{'`, `'.join(different)}`: both share one cache, "
                "and the last entry's value is used for both",
                "copy the folder, or keep one entry",
            )
