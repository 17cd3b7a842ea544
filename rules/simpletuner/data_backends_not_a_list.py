from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A data backend file with one entry, outside a list.

    Why: the file has to be a JSON list. Of a single object SimpleTuner takes the keys for entries and stops with an
    AttributeError.
    Instead: put square brackets around it.
    Sources: bghira/SimpleTuner@bc8e6ab (4.8.0) helpers/data_backend/factory.py line 1846

    ```json SimpleTuner flagged
    {
      "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
      "resolution": 1024
    }
    ```
    ```json SimpleTuner clean
    [
      {
        "id": "zwx", "type": "local", "instance_data_dir": "data/zwx", "caption_strategy": "textfile",
        "resolution": 1024
      },
      {
        "id": "text", "type": "local", "dataset_type": "text_embeds", "default": true,
        "cache_dir": "cache/text"
      }
    ]
    ```
    """
    for config in plan.configs:
        if config.table.name == "data backend" and isinstance(config.document.data, dict):
            yield config.get("id").finding(
                "one entry without the list around it: SimpleTuner takes its keys for datasets and stops",
                "wrap it in `[ ]`",
            )
