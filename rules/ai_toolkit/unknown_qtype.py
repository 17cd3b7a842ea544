from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

MEANT = {
    **dict.fromkeys(("fp8", "8bit", "fp8_e4m3fn", "float8_e4m3fn", "e4m3fn", "qfp8", "q8", "fp8_scaled"), "qfloat8"),
    **dict.fromkeys(("nf4", "int4", "4bit", "q4", "bnb4", "qfloat4"), "uint4"),
    "fp4": "nvfp4",
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A quantisation ai-toolkit does not have.

    Why: `qtype` names a format of optimum-quanto, torchao or ai-toolkit itself. Another tool's word for it is a
    KeyError while the model is loaded.
    Instead: `qfloat8`, `float8`, `uint4`, `uint3`, `convrot8`, `convrot4` or `nvfp4`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/util/quantize.py (`get_qtype`), ui/src/app/jobs/new/options.tsx
    (quantizationOptions), https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
            quantize: true
            qtype: nf4
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
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
            quantize: true
            qtype: uint4
    ```
    """
    for switch, key in (("model.quantize", "model.qtype"), ("model.quantize_te", "model.qtype_te")):
        setting, on = plan.get(key), plan.get(switch)
        enabled = on.value if on.written else plan.get("model.quantize").value
        name = str(setting.value).partition("|")[0]
        if plan.training and enabled is True and name.lower() in MEANT:
            meant = MEANT[name.lower()]
            yield setting.finding(
                f"ai-toolkit has no `{name}`: the run stops while loading",
                f"set it to `{meant}`",
                setting.write(meant, safe=False),
            )
