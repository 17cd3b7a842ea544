from collections.abc import Iterator

from lora_doctor.derived import image_count
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LARGE, FEW = 64, 10


@rule(level="warning", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """A rank above 64 for fewer than ten images.

    Why: capacity far beyond what a handful of images can fill goes into memorising them: in one published comparison
    rank 128 on five images peaked at step 500 and then degraded, rank 32 stayed smooth.
    Instead: rank 8 to 32 for so few images.
    Sources: https://happyin.space/image-generation/flux-klein-style-lora-system/ (56 jobs); bghira/SimpleTuner
    documentation/quickstart/FLUX.md ("64-128 might be undesirable")

    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [adapter]
    rank = 128
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx, a ring on slate
    data/b.png
    data/b.txt: zwx, a ring on sand
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [adapter]
    rank = 32
    [[data]]
    folder = "data"
    ```
    """
    rank, images = plan.network.rank, image_count(plan)
    if plan.training and images and images < FEW and isinstance(rank.value, int) and rank.value > LARGE:
        if plan.network.kind.value == "lora":
            yield rank.finding(
                f"rank {rank.value} for {images} images: most of that capacity goes into memorising them",
                "use rank 8 to 32",
                rank.write(32, safe=False),
            )
