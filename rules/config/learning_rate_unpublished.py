from collections.abc import Iterator

from lora_doctor.derived import banded_rate
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """The learning rate is outside everything published for this model.

    Why: below the band nothing is learned in any usual number of steps; far above it colours and textures burn within
    a few hundred. The rate is compared after multiplying by the square root of alpha / rank, which is what alpha does
    to Adam.
    A rate that is only off through an alpha that was left at its default is told of by the rule on alpha.
    Instead: move into the band in the message. Optimisers that find their own rate, Lion and Adafactor are not judged.
    Sources: the recipes named in `lora_doctor/models/families.py`, one by one; bghira/SimpleTuner
    documentation/quickstart/FLUX.md; NVlabs/Sana#250, https://github.com/NVlabs/Sana/issues/250

    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 3e-3
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [optimizer]
    learning_rate = 1e-4
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.1-dev \
      --instance_data_dir=dog --instance_prompt="a photo of zwx dog" --output_dir=out \
      --rank=128 --learning_rate=5e-5 --max_train_steps=2000 --checkpointing_steps=250
    ```
    """
    found = banded_rate(plan)
    if found is None:
        return
    (low, high), (ok_low, ok_high) = found.band.limits, found.band.ok
    if high * 1.001 < found.rate < 0.1 or found.rate < low * 0.999:
        word = "above" if found.rate > ok_high else "below"
        yield plan.learning_rate.finding(
            f"learning rate {found.shown} is {word} what is published for {found.family.title}",
            f"published recipes lie between {ok_low:g} and {ok_high:g}",
        )
