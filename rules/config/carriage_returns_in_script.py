from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """A shell script with Windows line ends: its continued lines break apart on Linux.

    Why: with a carriage return behind it, the backslash continues nothing. bash on Linux starts the script with the
    options of the first line and one carriage return as a word, and takes every further line for a command.
    Instead: save the file with Unix line ends (`dos2unix`, or `* text eol=lf` in `.gitattributes`). Bash for Windows
    can be set to accept them.
    Sources: run with bash 5.2: `f --a 1 \\\\`, carriage return, `--b 2` calls f with `--a`, `1` and a carriage return

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \\\r
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \\\r
      --text_encoder_out_layers 9 18 27 --instance_data_dir=dog --instance_prompt="a photo of zwx dog" \\\r
      --rank=16 --lora_alpha=16\r
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \\
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \\
      --text_encoder_out_layers 9 18 27 --instance_data_dir=dog --instance_prompt="a photo of zwx dog" \\
      --rank=16 --lora_alpha=16
    ```
    """
    document = plan.config.document
    windows = document.name.lower().endswith((".ps1", ".bat", ".cmd"))
    if document.syntax == "shell" and not windows and b"\\\r\n" in document.text:
        yield Finding(
            plan.config.anchor,
            "Windows line ends: on Linux this command ends with its line, and each further line is a command",
            "save the file with Unix line ends",
        )
