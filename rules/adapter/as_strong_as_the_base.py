from collections.abc import Iterator

from lora_doctor.adapter.facts import Adapter
from lora_doctor.rule import Finding, rule

MEDIAN = 0.6  # of the base weights' norm


@rule(level="warning", evidence="contested")
def check(adapter: Adapter) -> Iterator[Finding]:
    """The change is about as large as the weights it changes.

    Why: what a layer adds grows as training goes on, and at some point it overrides what the base knows. In this
    project's runs on a small pretrained model the change of healthy LoRAs had 0.28 to 0.38 of the weights' norm, that
    of overtrained ones 0.61 to 1.6.
    Instead: compare images at strength 0.5 and 1: if the weaker ones are better, take an earlier checkpoint, or train
    again with a lower learning rate or alpha. For it: these runs. Against: no paper gives a threshold for diffusion
    models, the level depends on recipe, rank and model size, and growth from checkpoint to checkpoint says more. A LoRA
    that is to replace what the base does (a distillation, an undistilled model) may be right at this strength. The
    base's norm is an estimate from a sample of its weights (`lora-doctor inspect --weights --base`).
    Sources: measured for this project (median over layers, thresholds not transferred from any other work); sd-scripts
    --scale_weight_norms (docs/train_README: "1.0 is a good starting point" for a layer's norm, disputed by users),
    https://github.com/kohya-ss/sd-scripts; Lipschitz bound on the change, arXiv 2505.19519

    ```adapter flagged
    model = "flux2-klein-4b"
    targets = "^proj_out$"
    rank = 256
    weights = true
    base_weights = true
    ```
    ```adapter clean
    model = "flux2-klein-4b"
    targets = "^proj_out$"
    rank = 16
    weights = true
    base_weights = true
    ```
    """
    ratios = sorted(la.ratio for la in adapter.health.sound if la.ratio is not None) if adapter.health else []
    if not ratios:
        return
    median = ratios[len(ratios) // 2]
    if median > MEDIAN:
        yield adapter.finding(
            f"the middle layer's change has {median:.0%} of the base weights' norm: it overrides what the base knows",
            "compare images at strength 0.5 and 1, or take an earlier checkpoint",
        )
