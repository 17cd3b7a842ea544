from collections.abc import Iterator

from lora_doctor.environment import Environment
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(environment: Environment) -> Iterator[Finding]:
    """The installed PyTorch has no kernels for this card.

    Why: cards of the RTX 50 series (compute capability 12.0) need a build for CUDA 12.8, which PyTorch offers since
    2.7: others stop with `no kernel image is available for execution on the device`.
    Instead: install PyTorch from the cu128 index or newer, and xformers and bitsandbytes that belong to it. This is
    judged with `lora-doctor lint --environment` only.
    Sources: PyTorch 2.7 release notes, https://pytorch.org/blog/pytorch-2-7/; bmaltais/kohya_ss#3238,
    https://github.com/bmaltais/kohya_ss/issues/3238; ostris/ai-toolkit#371,
    https://github.com/ostris/ai-toolkit/issues/371

    ```environment
    gpu: NVIDIA GeForce RTX 5090, 32607, 12.0
    torch: 2.6.0+cu124
    ```
    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    ```environment
    gpu: NVIDIA GeForce RTX 5090, 32607, 12.0
    torch: 2.9.0+cu128
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    ```
    """
    version, cuda = environment.version("torch"), environment.packages.get("torch", "").partition("+cu")[2]
    new = [gpu for gpu in environment.gpus or () if gpu.capability and gpu.capability >= (12, 0)]
    old_build = cuda.isdigit() and len(cuda) == 3 and int(cuda) < 128
    setting = environment.plan.model.setting
    if new and version and (version < (2, 7) or old_build) and setting.place:
        yield setting.finding(
            f"{new[0].name} needs a PyTorch for CUDA 12.8 (2.7 or newer); the installed "
            f"{environment.packages['torch']} has no kernels for it",
            "install it from the cu128 index",
        )
