from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Several `text_encoders`: every one of them becomes the last.

    Why: the function that loads an encoder takes its paths from the loop it was made in, which has moved on by the
    time it is called: all entries load the files of the last one, and the model conditions on the first.
    Instead: list one entry. A model that needs two files takes them as `paths = [...]` in one entry.
    Sources: tdrussell/diffusion-pipe@8f83dbf models/base.py lines 575-595,
    https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    text_encoders = [
        {path = "/models/qwen_3_8b.safetensors", type = "flux2"},
        {path = "/models/clip_l.safetensors", type = "flux2"},
    ]
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    text_encoders = [{path = "/models/qwen_3_8b.safetensors", type = "flux2"}]
    ```
    """
    encoders = plan.get("model.text_encoders")
    if isinstance(encoders.value, list) and len(encoders.value) > 1:
        yield encoders.finding(
            f"{len(encoders.value)} `text_encoders`: all of them load the files of the last entry",
            "keep one entry, with `paths` where the model needs several files",
        )
