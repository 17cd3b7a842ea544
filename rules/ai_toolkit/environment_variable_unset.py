import os
import re
from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule

VARIABLE = re.compile(rb"\$\{([^}\n]+)\}")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An environment variable that is not set here.

    Why: `${NAME}` is replaced in the whole file before it is parsed, comments included, and stops the run where it
    is not set.
    Instead: set it, or write it into the `.env` beside `run.py`, which is read at start. Ignore this where the job
    runs on another machine.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config.py (`replace_env_vars_in_string`), run.py (`load_dotenv`),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: ${LORA_DOCTOR_EXAMPLE}/images
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: /data/images
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    document = plan.config.document
    if plan.kind == "misnested":
        return
    named: set[bytes] = set()
    for match in VARIABLE.finditer(document.text):
        name = match[1].decode("utf-8", "replace")
        if match[1] not in named and name not in os.environ:
            named.add(match[1])
            yield Finding(
                Place(document, document.start()._replace(start=match.start(), end=match.end())),
                f"`{name}` is not set here: ai-toolkit stops at start where it is not",
                "set it, or put it into the `.env` beside `run.py`",
            )
