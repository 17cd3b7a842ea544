from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    """AdamW8bitKahan does not run with bitsandbytes 0.50 or newer.

    Why: the optimiser is a subclass that reads bitsandbytes' internal `percentile_clipping`; 0.50 dropped it, and
    requirements.txt pins no version, so a fresh install stops with a KeyError at the first optimiser step, after
    caching and loading. 0.49.2 works. A much older bitsandbytes stops with KeyError `alpha`.
    Instead: `pip install "bitsandbytes<0.50"`, or `adamw_optimi`, which keeps bf16 weights exact as well.
    `lora-doctor lint --environment` looks at the installed version.
    Sources: tdrussell/diffusion-pipe@8f83dbf optimizers/adamw_8bit.py line 30 and requirements.txt, run with
    bitsandbytes 0.49.2 and 0.50.2, https://github.com/tdrussell/diffusion-pipe; KeyError alpha,
    https://github.com/tdrussell/diffusion-pipe/issues/290

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "flux2"
    diffusion_model = "/models/flux-2-klein-base-9b.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "AdamW8bitKahan"
    lr = 5e-5
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
    [optimizer]
    type = "adamw_optimi"
    lr = 5e-5
    ```
    """
    name = plan.optimizer.name
    if isinstance(name.value, str) and name.value.lower() == "adamw8bitkahan":
        yield name.finding(
            "with bitsandbytes 0.50 or newer AdamW8bitKahan stops at its first step: KeyError `percentile_clipping`",
            'install "bitsandbytes<0.50", or use `adamw_optimi`',
            name.write("adamw_optimi", safe=False),
        )
