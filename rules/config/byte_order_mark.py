from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

MARK = b"\xef\xbb\xbf"


@rule(level="error", evidence="reproduced", trainer=("diffusion-pipe", "sd-scripts", "musubi-tuner"))
def check(plan: Plan) -> Iterator[Finding]:
    """A byte order mark at the start of the file.

    Why: the `toml` package these trainers read their files with takes the mark for a letter: where the file begins
    with a key, that key is called `\\ufeffoutput_dir` and the setting is gone without a message; where it begins
    with a table or a comment, the run stops with `Found invalid character in key name`. Windows editors write it as
    "UTF-8 with BOM".
    Instead: save the file as UTF-8 without BOM.
    Sources: run with toml 0.10.2, https://github.com/uiri/toml; tdrussell/diffusion-pipe@8f83dbf train.py line 283,
    https://github.com/tdrussell/diffusion-pipe; kohya-ss/sd-scripts@48d368f library/train_util.py line 4746

    ```toml diffusion-pipe flagged
    \ufeffoutput_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
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
    ```
    """
    for config in plan.configs:
        document = config.document
        if document.syntax != "toml" or not document.text.startswith(MARK):
            continue
        lost = document.text[len(MARK) :][:1] not in (b"[", b"#", b"\r", b"\n", b" ", b"\t")
        name = document.line(1).lstrip("\ufeff").partition("=")[0].strip()
        effect = f"the first setting, `{name}`, is lost" if lost else "the trainer can't read the file"
        message = f"the file begins with a byte order mark: {effect}"
        yield Finding(config.anchor, message, "save it as UTF-8 without BOM")
