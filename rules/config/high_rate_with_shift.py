from collections.abc import Iterator

from lora_doctor.derived import normalised_learning_rate
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

HOT = 4.01e-4  # FluxGym's default, 8e-4 at alpha / rank = 1/4, is just below
FLUX = ("flux2-klein", "flux2-dev", "flux1")


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """A high learning rate together with a timestep shift.

    Why: a shift toward high noise makes each step count for more: SimpleTuner's author had to halve the rate with a
    fixed shift of 3.16 and take a fifth of it with the resolution-dependent one.
    Instead: a half to a fifth of the rate you would use without a shift.
    Sources: bghira/SimpleTuner#905, https://github.com/bghira/SimpleTuner/pull/905

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
    dtype = "bfloat16"
    shift = 3
    [adapter]
    type = "lora"
    rank = 32
    [optimizer]
    type = "adamw_optimi"
    lr = 5e-4
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
    dtype = "bfloat16"
    shift = 3
    [adapter]
    type = "lora"
    rank = 32
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    """
    rate, shift = normalised_learning_rate(plan), plan.timesteps.shift
    if not plan.training or rate is None or plan.model.family not in FLUX or not plan.learning_rate.written:
        return
    shifted = (isinstance(shift.value, (int, float)) and shift.value > 1.5 and shift.written) or (
        plan.timesteps.sampling.written and plan.timesteps.sampling.value in ("flux_shift", "flux2_shift")
    )
    if shifted and HOT <= rate < 1e-3 and plan.network.kind.value == "lora":
        yield plan.learning_rate.finding(
            f"learning rate {plan.learning_rate.value:g} with a shifted schedule, which makes each step count for more",
            "use a half to a fifth of it",
        )
