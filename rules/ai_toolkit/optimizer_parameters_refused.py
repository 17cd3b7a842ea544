from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

EPS_SET = ("adam", "adamw", "adam8", "adamw8", "adam8bit", "adamw8bit", "ademamix8bit")
PLAIN = (*EPS_SET, "lion", "lion8bit", "adagrad", "adafactor")
PRODIGY = ("d_coef", "d0", "safeguard_warmup", "use_bias_correction", "growth_rate", "beta3", "slice_p")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A parameter the optimiser does not take.

    Why: `optimizer_params` are passed on beside the `lr` and `eps` that ai-toolkit sets itself: a second `lr` or
    `eps`, or a parameter of another optimiser, is a TypeError after the model is loaded.
    Instead: remove it; `lr` belongs in `train`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/optimizer.py, toolkit/optimizers/adafactor.py,
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
            optimizer: adamw8bit
            optimizer_params:
              weight_decay: 1e-4
              d_coef: 2.0
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
            lr: 1.0
            optimizer: prodigy
            optimizer_params:
              weight_decay: 1e-4
              d_coef: 2.0
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    name = str(plan.get("train.optimizer").value).lower()
    adapting = name.startswith(("prodigy", "dadaptation"))
    if not plan.training:
        return
    for key, setting in plan.config.written():
        home, _, last = key.rpartition(".")
        if home != "train.optimizer_params":
            continue
        twice = last == "lr" or (last == "eps" and (adapting or name in EPS_SET))
        relative = last in ("relative_step", "warmup_init") and name == "adafactor" and setting.value is True
        if twice or relative or (last in PRODIGY and name in PLAIN):
            reason = "sets it itself" if twice else "also sets `lr`" if relative else f"builds {name}, which has none"
            yield setting.finding(
                f"`{last}` is refused, because ai-toolkit {reason}: the run stops after loading the model",
                "remove it",
                setting.remove(),
            )
