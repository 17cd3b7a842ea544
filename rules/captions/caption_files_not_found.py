from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """Captions lie beside the images, but not with the extension this trainer looks for.

    Why: sd-scripts looks for `.caption` unless told otherwise, others for `.txt`; when the extension differs, training
    goes on with empty captions or the folder's name, with one line in the log.
    Instead: set the extension, or rename the files.
    Sources: bmaltais/kohya_ss#927 and #1370, https://github.com/bmaltais/kohya_ss/issues/927; kohya-ss/sd-scripts#487,
    https://github.com/kohya-ss/sd-scripts/issues/487

    ```files
    data/a.png
    data/a.caption: zwx, a ring on slate
    data/b.png
    data/b.caption: zwx, a ring on sand
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.caption: zwx, a ring on slate
    data/b.png
    data/b.caption: zwx, a ring on sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [[data]]
    folder = "data"
    caption_extension = ".caption"
    ```
    """
    if plan.trainer == "SimpleTuner":
        return  # it stops at the first one missing: `caption-file-missing`
    for data in plan.datasets:
        listing, extension = data.listing, data.caption_extension
        if listing is None or data.caption_source.value not in ("files", "folder") or not extension.value:
            continue
        if not listing.images or data.regularisation.value or listing.captioned(extension.value):
            continue
        other = next((e for e in (".txt", ".caption", ".cap") if e != extension.value and listing.captioned(e)), None)
        if other:
            setting = extension if extension.written else data.folder
            count = len(listing.captioned(other))
            yield setting.finding(
                f"{count} of {len(listing.images)} images have a `{other}` caption, none a `{extension.value}` one: "
                f"{plan.trainer} trains without captions",
                f"set `{extension.key}` to `{other}`" if extension.key else f"rename the files to `{extension.value}`",
                extension.write(other, safe=False),
            )
