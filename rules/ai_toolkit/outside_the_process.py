from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule

INSIDE = (
    "network",
    "train",
    "model",
    "datasets",
    "save",
    "sample",
    "logging",
    "embedding",
    "adapter",
    "slider",
    "first_sample",
    "trigger_word",
    "training_folder",
    "training_seed",
    "log_dir",
)
ALLOWED = ("training_folder", "log_dir")  # `job: train` reads these beside `process`


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Sections beside the process instead of inside it.

    Why: ai-toolkit reads `network`, `train`, `model`, `datasets`, `save` and `sample` from each item of
    `config.process`. Beside `process`, or at the top of the file, they are never looked at: the run stops for the
    missing `model`, or trains with defaults.
    Instead: indent them below the item's `- type:` line.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseProcess.py (`get_conf`),
    jobs/process/BaseSDTrainProcess.py, https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
      train:
        steps: 2000
        lr: 1e-4
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
          train:
            steps: 2000
            lr: 1e-4
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    data, document = plan.config.document.data, plan.config.document
    if plan.kind not in ("training", "slider", "misnested") or not isinstance(data, dict):
        return
    config = data.get("config")
    allowed = ALLOWED if data.get("job") == "train" else ()
    beside = config if isinstance(config, dict) else {}
    processes = beside.get("process")
    items = [item for item in processes if isinstance(item, dict)] if isinstance(processes, list) else []
    lost = [key for key in INSIDE if key not in allowed and not (items and all(key in item for item in items))]
    places: list[tuple[str, ...]] = [(key,) for key in data if key in lost]
    places += [("config", key) for key in beside if key in lost]
    if not places:
        return
    entry = document.entries[places[0]]
    names = ", ".join(f"`{path[-1]}`" for path in places)
    verb = "stands" if len(places) == 1 else "stand"
    yield Finding(
        Place(document, entry.key or entry.span, places[0]),
        f"{names} {verb} outside of `config.process`, where ai-toolkit never looks",
        "move it into the process item" if len(places) == 1 else "move them into the process item",
        ".".join(places[0]),
    )
