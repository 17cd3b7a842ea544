from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KNOWN = ("lora", "locon", "lycoris", "lokr", "dora", "lorm", "fullrank", "lierla")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A network type ai-toolkit does not have.

    Why: a type it does not know is not refused: the network is an ordinary LoRA, and nothing in the log says that
    it is no LoHa or OFT.
    Instead: `lora`, `lokr` or `dora`; `locon` for UNets.
    Sources: ostris/ai-toolkit@27a03a91 jobs/process/BaseSDTrainProcess.py, toolkit/lora_special.py,
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          network:
            type: loha
            linear: 16
            linear_alpha: 16
          train:
            lr: 1e-4
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
          network:
            type: lokr
            lokr_factor: 8
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    kind = plan.get("network.type")
    if plan.training and isinstance(kind.value, str) and kind.value.lower() not in KNOWN:
        yield kind.finding(
            f"there is no network `{kind.value}`: an ordinary LoRA is trained", "use `lora`, `lokr` or `dora`"
        )
