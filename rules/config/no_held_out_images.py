from collections.abc import Iterator

from lora_doctor.derived import image_count
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

ENOUGH = 20  # images: the smallest set that published tests held some out of (spacepxl: 20 + 2)


@rule(level="note", evidence="documented")
def check(plan: Plan) -> Iterator[Finding]:
    """No image of a set of twenty or more is held out: when overfitting begins won't show.

    Why: the training loss falls or wanders whether a LoRA generalises or memorises; the loss on a few held-out images
    at fixed noise levels is the one curve that turns upward. This trainer can measure it.
    Instead: hold out one or two images (more from larger sets) and look for the turn, not for the lowest value. Sets
    too small to spare an image are not asked for one.
    Sources: ostris/ai-toolkit@1eb97b74 (validation items); tdrussell/diffusion-pipe@8f83dbf train.py (`eval_datasets`);
    spacepxl, https://github.com/spacepxl/demystifying-sd-finetuning

    ```files
    data/01.png
    data/01.txt: zwx ring number 1
    data/02.png
    data/02.txt: zwx ring number 2
    data/03.png
    data/03.txt: zwx ring number 3
    data/04.png
    data/04.txt: zwx ring number 4
    data/05.png
    data/05.txt: zwx ring number 5
    data/06.png
    data/06.txt: zwx ring number 6
    data/07.png
    data/07.txt: zwx ring number 7
    data/08.png
    data/08.txt: zwx ring number 8
    data/09.png
    data/09.txt: zwx ring number 9
    data/10.png
    data/10.txt: zwx ring number 10
    data/11.png
    data/11.txt: zwx ring number 11
    data/12.png
    data/12.txt: zwx ring number 12
    data/13.png
    data/13.txt: zwx ring number 13
    data/14.png
    data/14.txt: zwx ring number 14
    data/15.png
    data/15.txt: zwx ring number 15
    data/16.png
    data/16.txt: zwx ring number 16
    data/17.png
    data/17.txt: zwx ring number 17
    data/18.png
    data/18.txt: zwx ring number 18
    data/19.png
    data/19.txt: zwx ring number 19
    data/20.png
    data/20.txt: zwx ring number 20
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [[data]]
    folder = "data"
    [validation]
    held_out = 0
    ```
    ```files
    data/01.png
    data/01.txt: zwx ring number 1
    data/02.png
    data/02.txt: zwx ring number 2
    data/03.png
    data/03.txt: zwx ring number 3
    data/04.png
    data/04.txt: zwx ring number 4
    data/05.png
    data/05.txt: zwx ring number 5
    data/06.png
    data/06.txt: zwx ring number 6
    data/07.png
    data/07.txt: zwx ring number 7
    data/08.png
    data/08.txt: zwx ring number 8
    data/09.png
    data/09.txt: zwx ring number 9
    data/10.png
    data/10.txt: zwx ring number 10
    data/11.png
    data/11.txt: zwx ring number 11
    data/12.png
    data/12.txt: zwx ring number 12
    data/13.png
    data/13.txt: zwx ring number 13
    data/14.png
    data/14.txt: zwx ring number 14
    data/15.png
    data/15.txt: zwx ring number 15
    data/16.png
    data/16.txt: zwx ring number 16
    data/17.png
    data/17.txt: zwx ring number 17
    data/18.png
    data/18.txt: zwx ring number 18
    data/19.png
    data/19.txt: zwx ring number 19
    data/20.png
    data/20.txt: zwx ring number 20
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-4B"
    [[data]]
    folder = "data"
    [validation]
    held_out = 0.1
    ```
    """
    held_out = plan.validation.held_out
    if plan.config.has("eval_every_n_epochs") or plan.config.has("eval_every_n_steps"):
        return  # `eval-interval-without-datasets`
    if not plan.training or not held_out.key or held_out.place is None or plan.network.kind.value == "full":
        return
    images = image_count(plan)
    if images is None or images < ENOUGH:
        return
    if held_out.value in (None, 0, 0.0, [], "", False):
        yield held_out.finding(
            f"none of {images} images is held out: when overfitting begins will not show", f"set `{held_out.key}`"
        )
