from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="note", evidence="contested")
def check(plan: Plan) -> Iterator[Finding]:
    """The dims 128/64/64/32 of a much-copied Klein recipe.

    Why: for it: one author of 50+ runs prefers linear 128, alpha 64, conv 64, conv alpha 32 for grain and texture.
    Against it: Klein has no convolution, so the last two do nothing; ai-toolkit, for which it was written, ignores
    alpha on transformers, so its scale is 1, not 0.5; the numbers are 4:2:2:1, not the 4:2:1:1 they are said to be;
    SimpleTuner doubts ranks of 64 to 128 and BFL's workshop uses 8 to 64.
    Instead: rank 16 to 32 with alpha equal to it, unless texture is the goal and there are many images.
    Sources: the 50+ runs as retold at https://happyin.space; ostris/ai-toolkit@27a03a91 toolkit/lora_special.py lines
    423-433; bghira/SimpleTuner documentation/quickstart/FLUX.md; stephen37/workshops lora_training

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          network: {type: lora, linear: 128, linear_alpha: 64, conv: 64, conv_alpha: 32}
          datasets:
            - {folder_path: data/zwx, resolution: 1024}
          train: {steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, optimizer: adamw8bit}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: sd_trainer
          training_folder: out
          network: {type: lora, linear: 32, linear_alpha: 32}
          datasets:
            - {folder_path: data/zwx, resolution: 1024}
          train: {steps: 2000, lr: 1e-4, noise_scheduler: flowmatch, dtype: bf16, optimizer: adamw8bit}
          model: {name_or_path: black-forest-labs/FLUX.2-klein-base-9B, arch: flux2_klein_9b}
    ```
    """
    network = plan.network
    if not plan.training or network.rank.value != 128 or network.alpha.value != 64 or not network.rank.written:
        return
    conv = ", conv 64/32 (there is no convolution)" if network.conv_rank.value else ""
    alpha = "alpha ignored" if network.scale == 1.0 else f"scale {network.scale:.2g}" if network.scale else "alpha 64"
    finding = network.rank.finding(
        f"the 128/64/64/32 recipe: rank 128 with {alpha}{conv}", "its source trained film textures; others use 16 to 32"
    )
    yield finding
