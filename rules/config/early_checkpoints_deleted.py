from collections.abc import Iterator

from lora_doctor.derived import total_steps
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

SHORT = 0.6  # of the run: the best checkpoint is often in its first half
HALF = 0.4  # what covers nearly half of the run is worth a note only
MANY = 40  # checkpoints nobody compares


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """Checkpoints are deleted before anybody can judge them.

    Why: a LoRA is often best well before the end, and the end is what a short retention leaves. ai-toolkit's own
    defaults (250 steps, 4 kept, 3000 steps) leave steps 2000 to 3000.
    Instead: keep all until they have been compared; a rank-32 LoRA is about 0.1 to 0.3 GB.
    A window that reaches back over nearly half of the run is a note.
    Sources: ostris/ai-toolkit#570 and #981, https://github.com/ostris/ai-toolkit/issues/570

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 3000
    [saving]
    every_steps = 250
    keep = 4
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 8
    learning_rate = 1e-4
    output_dir = "out"
    max_train_epochs = 10
    save_every_n_epochs = 1
    save_last_n_epochs = 1
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 8
    learning_rate = 1e-4
    output_dir = "out"
    max_train_epochs = 10
    save_every_n_epochs = 1
    save_last_n_epochs = 10
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [training]
    steps = 3000
    [saving]
    every_steps = 250
    keep = 12
    ```
    """
    saving, keep = plan.saving, plan.saving.keep.value
    if not plan.training or not keep or plan.network.kind.value == "full":
        return  # full checkpoints are many gigabytes each: there, few are kept on purpose
    length, every, unit = _run(plan)
    window = min(1.0, keep * every / length) if length and every else 1.0
    if not length or not every or window >= SHORT:
        return
    needed = int(length // every)
    setting = saving.keep if saving.keep.written else saving.every_steps
    many = needed > MANY
    found = setting.finding(
        f"{keep} checkpoints, one every {f'{every} {unit}s' if every > 1 else unit}, are kept of "
        f"{length:,.0f} {unit}s: those before {unit} {length * (1 - window):,.0f} are deleted",
        f"save less often, or raise `{saving.keep.key}`, until you have compared them"
        if many
        else f"set `{saving.keep.key}` to {needed} or more, until you have compared them",
        None if many else saving.keep.write(needed, safe=False),
    )
    yield found._replace(level="note") if window >= HALF else found


def _run(plan: Plan) -> tuple[float | None, int | None, str]:
    """How long the run is, how often it saves, and in which unit; epochs where their length in steps is not known."""
    saving, steps = plan.saving, total_steps(plan)
    if steps and saving.every_steps.value:
        return steps, saving.every_steps.value, "step"
    if saving.every_steps.value or not plan.epochs.written or plan.steps.written:
        return None, None, ""
    return plan.epochs.value, saving.every_epochs.value, "epoch"
