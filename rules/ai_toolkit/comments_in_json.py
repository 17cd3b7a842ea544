from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Comments in a JSON job.

    Why: ai-toolkit accepts the endings .json and .jsonc, and reads both with Python's `json`, which takes no
    comments: it stops at start.
    Instead: remove the comments, or write the job as YAML.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config.py (`json.loads`), https://github.com/ostris/ai-toolkit

    ```json ai-toolkit flagged
    {
      "job": "extension", // a LoRA
      "config": {"name": "zwx", "process": [{"type": "diffusion_trainer", "training_folder": "output",
        "train": {"lr": 0.0001, "noise_scheduler": "flowmatch"},
        "model": {"arch": "flux2_klein_4b", "name_or_path": "black-forest-labs/FLUX.2-klein-base-4B"}}]}
    }
    ```
    ```json ai-toolkit clean
    {
      "job": "extension",
      "config": {"name": "zwx", "process": [{"type": "diffusion_trainer", "training_folder": "output",
        "train": {"lr": 0.0001, "noise_scheduler": "flowmatch"},
        "model": {"arch": "flux2_klein_4b", "name_or_path": "black-forest-labs/FLUX.2-klein-base-4B"}}]}
    }
    ```
    """
    document = plan.config.document
    if document.syntax == "json" and document.comments:
        place = Place(document, document.comments[0].span)
        yield Finding(
            place, "ai-toolkit's JSON takes no comments: it stops at start", "remove them, or write the job as YAML"
        )
