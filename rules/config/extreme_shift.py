from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LOW, HIGH = 1.0, 5.0  # published: 1 to 3.1582 fixed, dynamic up to about 3.2 at 1024 pixels
SHIFTED = ("shift", "logit_normal", "sigma", "uniform", "sigmoid", None)


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """A timestep shift below 1 or above 5.

    Why: shift 3 moves half of the samples above sigma 0.75; at 5 it is 0.83, and fine detail is hardly trained. Below 1
    it works the other way and composition is hardly trained. Published fixed shifts lie between 1 and 3.2.
    Instead: about 3 at 1024 pixels and less at smaller sizes, or the trainer's resolution-dependent shift.
    Sources: tdrussell/diffusion-pipe docs/supported_models.md (3); kohya-ss/sd-scripts docs/flux_train_network.md
    (3.1582); bghira/SimpleTuner#905

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
    dtype = "bfloat16"
    shift = 12
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
    ```
    """
    shift = plan.timesteps.shift
    if not plan.training or not shift.written or not isinstance(shift.value, (int, float)) or shift.value <= 0:
        return
    if plan.model.family not in ("flux2-klein", "flux2-dev", "flux1", "sana", "sd3"):
        return
    if plan.timesteps.sampling.value in SHIFTED and not LOW <= shift.value <= HIGH:
        part = "fine detail" if shift.value > HIGH else "composition"
        yield shift.finding(
            f"shift {shift.value:g}: {part} is hardly trained; published shifts lie between 1 and 3.2",
            "use about 3 at 1024 pixels",
            shift.write(3, safe=False),
        )
