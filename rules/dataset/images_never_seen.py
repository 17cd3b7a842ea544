from collections.abc import Iterator

from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """Images that no step ever shows.

    Why: A bucket is cut to a multiple of the batch (diffusion-pipe: times accumulation and GPUs) once, before
    training: what is left over is left over in every epoch. SimpleTuner and OneTrainer pass over buckets smaller than
    a batch.
    Instead: A smaller batch or accumulation, fewer buckets, or repeats.
    Sources: tdrussell/diffusion-pipe@8f83dbf utils/dataset.py (`_make_divisible_by`);
    huggingface/diffusers@027e8eeb examples/dreambooth/train_dreambooth_lora_flux2_klein.py (`BucketBatchSampler`,
    `drop_last`); bghira/SimpleTuner@bc8e6ab7 simpletuner/helpers/multiaspect/sampler.py;
    Nerogar/mgds@3a6994a src/mgds/pipelineModules/AspectBatchSorting.py

    ```dataset trainer=diffusion-pipe batch=4 resolution=64 flagged
    a.png: 64x64 photo
    b.png: 64x64 photo
    c.png: 64x64 photo
    d.png: 64x64 photo
    e.png: 64x64 photo
    f.png: 128x64 photo
    ```
    ```dataset trainer=OneTrainer batch=4 resolution=256 flagged
    a.png: 64x64 photo
    b.png: 64x64 photo
    c.png: 64x64 photo
    d.png: 64x64 photo
    e.png: 64x64 photo
    f.png: 128x64 photo
    ```
    ```dataset trainer=OneTrainer batch=2 resolution=256 clean
    a.png: 64x64 photo
    b.png: 64x64 photo
    c.png: 64x64 photo
    d.png: 128x64 photo
    e.png: 128x64 photo
    ```
    ```dataset trainer=diffusion-pipe batch=4 resolution=64 clean
    a.png: 64x64 photo
    b.png: 64x64 photo
    c.png: 64x64 photo
    d.png: 64x64 photo
    ```
    """
    for fate in images.fates:
        if fate.unseen and fate.unseen < len(images.images):
            small = sum(1 for count in fate.buckets.values() if count < (fate.batch or 1))
            yield images.finding(
                [],
                f"at {fate.edge} px, {fate.unseen} of {len(images.images)} images are in no step: buckets are cut to "
                f"multiples of {fate.batch}, and {small} of {len(fate.buckets)} have fewer",
                "use a smaller batch, fewer buckets or repeats",
            )
            return
