from collections.abc import Iterator
from difflib import get_close_matches

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule

JOBS = ("extension", "train", "mod", "generate", "extract")
TRAIN = ("vae", "slider", "slider_old", "rescale_sd", "esrgan")
EXTENSION = (
    "sd_trainer",
    "diffusion_trainer",
    "ui_trainer",
    "textual_inversion_trainer",
    "concept_slider",
    "concept_replacer",
    "image_reference_slider_trainer",
    "ultimate_slider_trainer",
)


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A job file that does not start.

    Why: the loader asks for `job`, `config.name` and a list `config.process` whose items have a `type` that this
    job knows. Anything else is a ValueError at start.
    Instead: `job: extension` with `type: diffusion_trainer` (or `sd_trainer`) trains a LoRA.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config.py, toolkit/job.py, jobs/BaseJob.py, jobs/TrainJob.py,
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: train
    config:
      name: zwx
      training_folder: output
      process:
        - type: sd_trainer
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: sd_traner
          training_folder: output
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
        - type: sd_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    data = plan.config.document.data
    if not isinstance(data, dict):
        return
    job, config = data.get("job"), data.get("config")
    inner = config if isinstance(config, dict) else {}
    if job not in JOBS:
        said = f"`job: {job}` is none it knows" if "job" in data else "there is no `job`"
        yield _at(plan, ("job",), f"{said}: ai-toolkit stops at start", "write `job: extension`")
    if not isinstance(config, dict):
        yield _at(
            plan,
            ("config",),
            "there is no `config`: ai-toolkit stops at start",
            "put `name` and `process` under `config`",
        )
    elif not inner.get("name"):
        yield _at(plan, ("config", "name"), "`config` has no `name`: ai-toolkit stops at start", "set `name`")
    processes = inner.get("process")
    if isinstance(config, dict) and (not isinstance(processes, list) or not processes):
        yield _at(
            plan,
            ("config", "process"),
            "`process` is no list of processes: ai-toolkit stops at start",
            "write `- type:`",
        )
    if plan.kind in ("training", "slider"):
        yield from _process(plan, str(job))


def _process(plan: Plan, job: str) -> Iterator[Finding]:
    """The type of this process, and the model it must have."""
    kind = plan.get("type")
    name = str(kind.value)
    wrong = name in {"train": EXTENSION, "extension": TRAIN}.get(job, ())
    if wrong:
        home = "extension" if name in EXTENSION else "train"
        yield kind.finding(
            f"`{name}` is not a process of `job: {job}`: ai-toolkit stops at start", f"write `job: {home}`"
        )
    close = get_close_matches(name, EXTENSION, n=1, cutoff=0.8)
    if job == "extension" and kind.value and name not in (*EXTENSION, *TRAIN) and close:
        yield kind.finding(
            f"there is no process `{name}`: ai-toolkit stops at start",
            f"did you mean `{close[0]}`?",
            kind.write(close[0], safe=False),
        )
    if plan.training and not isinstance(plan.get("model").value, dict):
        yield plan.get("model").finding("there is no `model`: ai-toolkit stops at start", "set `model.name_or_path`")


def _at(plan: Plan, path: tuple[str, ...], message: str, action: str) -> Finding:
    """A finding at a key of the job, or at the nearest table above it."""
    document = plan.config.document
    entry = next((document.entries[path[:i]] for i in range(len(path), 0, -1) if path[:i] in document.entries), None)
    span = document.start() if entry is None else entry.key or entry.span
    return Finding(Place(document, span, path), message, action, ".".join(path))
