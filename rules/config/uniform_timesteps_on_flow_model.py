from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

FLUX = ("flux2-klein", "flux2-dev", "flux1")


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """Noise levels are drawn uniformly and without a shift, for a FLUX model at 1024 pixels.

    Why: FLUX.1 and FLUX.2 were trained with a resolution-dependent shift toward high noise, where composition is
    decided. Uniform unshifted sampling spends most steps on fine detail, so subject and layout come late.
    Instead: the trainer's shifted sampling (`flux_shift`, `flux2_shift`, `weighted`, dynamic), or a fixed shift of
    about 3 at 1024 pixels. The inference-time shift of FLUX.2 is another matter and is not for training.
    Sources: Nerogar/OneTrainer#1516 and #1419, https://github.com/Nerogar/OneTrainer/pull/1516 (BFL on the shift of
    FLUX.2's training); tdrussell/diffusion-pipe docs/supported_models.md; kohya-ss/musubi-tuner docs/flux_2.md

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-4b.safetensors"
    dtype = "bfloat16"
    timestep_sample_method = "uniform"
    [adapter]
    type = "lora"
    rank = 32
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
    timestep_sample_method = "logit_normal"
    shift = 3
    [adapter]
    type = "lora"
    rank = 32
    ```
    """
    sampling, shift = plan.timesteps.sampling, plan.timesteps.shift.value
    if not plan.training or plan.model.family not in FLUX or sampling.place is None:
        return
    if sampling.value == "uniform" and shift in (None, 0, 1, 1.0) and plan.timesteps.weighting.value in (None, "none"):
        yield sampling.finding(
            "noise levels are drawn uniformly and unshifted; FLUX was trained with a shift toward high noise",
            "use the trainer's shifted sampling, or a shift of about 3 at 1024 pixels",
        )
