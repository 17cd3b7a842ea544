from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """The schedule `linear` raises the learning rate.

    Why: it is torch's LinearLR with its defaults: the rate begins at a third and rises to `lr` over the whole run.
    Elsewhere `linear` means the fall from `lr` to zero, so the run ends at its highest rate where the lowest was
    meant.
    Instead: `cosine`, or `lr_scheduler_params: {start_factor: 1.0, end_factor: 0.01}`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/scheduler.py; torch.optim.lr_scheduler.LinearLR (start_factor 1/3,
    end_factor 1.0), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            lr_scheduler: linear
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
            lr_scheduler: linear
            lr_scheduler_params:
              start_factor: 1.0
              end_factor: 0.01
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    name, rate = plan.get("train.lr_scheduler"), plan.learning_rate.value
    factors = ("train.lr_scheduler_params.start_factor", "train.lr_scheduler_params.end_factor")
    if plan.training and name.value == "linear" and not any(plan.config.has(key) for key in factors):
        rise = f" from {rate / 3:.2g} to {rate:g}" if isinstance(rate, (int, float)) else ""
        yield name.finding(
            f"`linear` raises the learning rate{rise} over the run",
            "use `cosine`, or set `start_factor` and `end_factor`",
            name.write("cosine", safe=False),
        )
