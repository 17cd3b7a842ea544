from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """`caption_prefix` is glued to the caption without a space.

    Why: prefix and caption are joined as they are: `zwx` before `a photo` is read as `zwxa photo`, and the trigger
    word is never trained by itself.
    Instead: end the prefix with `, ` or a space.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py lines 45-57,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    caption_prefix = "zwx"
    resolutions = [1024]
    enable_ar_bucket = true
    min_ar = 0.5
    max_ar = 2.0
    num_ar_buckets = 7
    [[directory]]
    path = "images"
    ```
    ```toml diffusion-pipe clean
    caption_prefix = "zwx, "
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
        own = data.get("caption_prefix")
        prefix = own if own.written else data.config.get("caption_prefix")
        if isinstance(prefix.value, str) and prefix.value[-1:].isalnum():
            yield prefix.finding(
                f"`caption_prefix` = {prefix.value!r} is joined without a space: `{prefix.value}a photo`",
                "end it with `, `",
                prefix.write(prefix.value + ", ", safe=False),
            )
