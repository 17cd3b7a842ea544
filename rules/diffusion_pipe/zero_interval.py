from collections.abc import Iterator

from lora_doctor.derived import effective_batch
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

ZERO = {
    "save_every_n_steps": "ZeroDivisionError at the first step",
    "logging_steps": "ZeroDivisionError at the first step",
    "save_every_n_epochs": "ZeroDivisionError at the end of the first epoch",
    "checkpoint_every_n_epochs": "ZeroDivisionError at the end of the first epoch",
    "checkpoint_every_n_minutes": "the whole training state is written at every step",
    "save_every_n_examples": "nothing is saved before the end of the run",
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An interval of 0 divides by zero, or saves at every step.

    Why: save and checkpoint intervals are used as `step % interval` without a look at 0: `save_every_n_steps` and
    `logging_steps` stop the run at its first step, the epoch intervals at the end of the first epoch.
    `save_every_n_examples` below the examples of one step is rounded down to 0 steps. `checkpoint_every_n_minutes`
    = 0 writes the whole training state at every step.
    Instead: remove the key to switch the interval off, or give it a real one.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/saver.py lines 20-43 and 132-168, train.py lines 643-645 and
    930, https://github.com/tdrussell/diffusion-pipe

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    checkpoint_every_n_epochs = 0
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_examples = 2
    micro_batch_size_per_gpu = 2
    gradient_accumulation_steps = 4
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_examples = 800
    micro_batch_size_per_gpu = 2
    gradient_accumulation_steps = 4
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    for key, consequence in ZERO.items():
        setting = plan.get(key)
        if setting.written and setting.value == 0 and setting.value is not False:
            fix = setting.remove(safe=False)
            yield setting.finding(f"`{key}` = 0: {consequence}", "remove it, or set an interval", fix)
    examples, batch = plan.get("save_every_n_examples"), effective_batch(plan)
    if isinstance(examples.value, int) and batch and 0 < examples.value < batch:
        yield examples.finding(
            f"`save_every_n_examples` = {examples.value} is less than the {batch} examples of one step: rounded down "
            "to every 0 steps, ZeroDivisionError at the first step",
            f"set it to {batch} or more",
        )
