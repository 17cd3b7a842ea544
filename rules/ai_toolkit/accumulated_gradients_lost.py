from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """The old accumulation key clears the gradients before every batch.

    Why: `gradient_accumulation_steps: N` steps the optimiser every N batches, but the train loop clears the
    gradients at the start of each one: only the last of N batches counts, the others are computed and thrown away.
    `steps` then counts batches, so the run makes N times fewer updates than it says.
    Instead: `gradient_accumulation: N`. One of its steps is N batches: the run takes N times as long at the same
    `steps`.
    Sources: ostris/ai-toolkit@27a03a91 extensions_built_in/sd_trainer/SDTrainer.py (`hook_train_loop` begins with
    `zero_grad`), jobs/process/BaseSDTrainProcess.py (train loop); run: four batches with gradients 1, 2, 3, 4 move
    the weight by 4, not 10; https://github.com/ostris/ai-toolkit

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
            gradient_accumulation_steps: 4
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
            steps: 2000
            lr: 1e-4
            gradient_accumulation: 4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    old, steps = plan.get("train.gradient_accumulation_steps"), plan.get("train.steps").value
    count = old.value
    if not plan.training or not isinstance(count, int) or count in (0, 1):
        return
    if count < 0:
        yield old.finding(
            "the gradients are cleared before every batch: of a whole epoch only its last batch counts",
            "use `gradient_accumulation` with a number",
        )
        return
    made = f", and {steps:,} steps are {steps // count:,} updates" if isinstance(steps, int) else ""
    yield old.finding(
        f"the gradients are cleared before every batch: {count - 1} of {count} batches are thrown away{made}",
        f"call it `gradient_accumulation`; a step is then {count} batches long",
        old.call("gradient_accumulation", safe=False),
    )
