from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Captions are to come from one file that isn't named.

    Why: with `prompt_source` concept every image takes a line of the file in `prompt_path`; a missing file is read as
    no text, and the whole concept trains on empty captions without a message.
    Instead: set `prompt_path`, or `prompt_source` to sample for a text file beside each image.
    Sources: Nerogar/mgds@3a6994a LoadMultipleTexts.py, https://github.com/Nerogar/mgds; Nerogar/OneTrainer@23df3832
    modules/util/config/ConceptConfig.py

    ```json OneTrainer flagged
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "concepts": [{"name": "zwx", "path": "data", "text": {"prompt_source": "concept"}}]
    }
    ```
    ```json OneTrainer clean
    {
      "__version": 11,
      "training_method": "LORA",
      "model_type": "FLUX_2",
      "base_model_name": "black-forest-labs/FLUX.2-klein-base-9B",
      "output_model_format": "DIFFUSERS_LORA",
      "learning_rate": 1e-4,
      "lora_rank": 16,
      "lora_alpha": 16,
      "epochs": 60,
      "concepts": [
        {"name": "zwx", "path": "data", "text": {"prompt_source": "concept", "prompt_path": "data/prompts.txt"}}
      ]
    }
    ```
    """
    for data in plan.datasets:
        source, path = data.get("text.prompt_source"), data.get("text.prompt_path")
        if source.value == "concept" and not path.value:
            yield source.finding(
                "`prompt_source` is concept and no `prompt_path` is given: every caption is empty", "set `prompt_path`"
            )
