from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

TAKES = {
    "constant": ("factor", "last_epoch", "verbose"),
    "cosine": ("eta_min", "last_epoch", "verbose"),
    "cosine_with_restarts": ("T_mult", "eta_min", "last_epoch", "verbose"),
    "linear": ("start_factor", "end_factor", "last_epoch", "verbose"),
    "constant_with_warmup": ("num_warmup_steps", "last_epoch"),
}
OVERWRITTEN = {"cosine": ("T_max", "total_iters"), "cosine_with_restarts": ("T_0", "total_iters")}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A schedule parameter that the chosen schedule does not take.

    Why: `lr_scheduler_params` are passed on as they are: a name the schedule does not know is a TypeError after the
    model is loaded. `T_max`, `T_0` and `total_iters` are overwritten with `steps`.
    Instead: `eta_min` belongs to `cosine`, `num_warmup_steps` to `constant_with_warmup`, `start_factor` and
    `end_factor` to `linear`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/scheduler.py, jobs/process/BaseSDTrainProcess.py (l. 2230),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            lr_scheduler: cosine
            lr_scheduler_params:
              num_warmup_steps: 100
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
          train:
            lr: 1e-4
            lr_scheduler: constant_with_warmup
            lr_scheduler_params:
              num_warmup_steps: 100
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    name = str(plan.get("train.lr_scheduler").value)
    taken = TAKES.get(name)
    if not plan.training or taken is None:
        return
    for key, setting in plan.config.written():
        home, _, last = key.rpartition(".")
        if home != "train.lr_scheduler_params" or last in taken:
            continue
        if last in OVERWRITTEN.get(name, ("total_iters",)):
            yield setting.finding(f"`{last}` is overwritten with `steps`", "remove it", setting.remove())
        else:
            yield setting.finding(
                f"the schedule `{name}` takes no `{last}`: the run stops after loading the model",
                "use `constant_with_warmup`" if "warm" in last else "remove it",
                setting.remove(safe=False),
            )
