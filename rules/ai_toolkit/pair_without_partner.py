import os
from collections.abc import Iterator

from lora_doctor.dataset.listing import Listing
from lora_doctor.plan import Dataset, Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import Setting

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Images without their control image or mask.

    Why: a control image or a mask belongs to the image of the same name, ending aside, and is looked for with the
    endings .jpg, .jpeg, .png and .webp in lower case. Where there is none, nothing is said: the image is trained
    without its reference, or unmasked.
    Instead: the same names in both folders; mind blanks, capitals and suffixes such as `_mask`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/dataloader_mixins.py (ControlFileItemDTOMixin,
    MaskFileItemDTOMixin); https://github.com/ostris/ai-toolkit/issues/536

    ```files
    data/1.jpg
    data/1.txt: turn it blue
    data/2.jpg
    data/2.txt: turn it red
    before/control_1.png
    before/control_2.png
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              control_path: before
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```files
    data/1.jpg
    data/1.txt: a ring
    data/2.jpg
    data/2.txt: a ring
    masks/1.png
    ```
    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              mask_path: masks
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    ```files
    data/1.jpg
    data/1.txt: turn it blue
    data/2.jpg
    data/2.txt: turn it red
    before/1.png
    before/2.png
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          datasets:
            - folder_path: data
              control_path: before
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
    ```
    """
    for data in plan.datasets if plan.training else ():
        masks = (data.mask_listing,) if data.mask_listing is not None and not data.get("alpha_mask").value else ()
        yield from _missing(data, data.control, "control image", data.control_listings)
        yield from _missing(data, data.masks, "mask", masks)


def _missing(data: Dataset, setting: Setting[str], what: str, folders: tuple[Listing, ...]) -> Iterator[Finding]:
    """One finding for all images of an entry that have no partner in any of the folders."""
    if data.listing is None or not folders or setting.place is None:
        return
    partners = {_stem(name) for folder in folders for name in folder.images if name.endswith(ENDINGS)}
    images = [
        name for name in data.listing.images if not any(_lies_in(data.listing, name, folder) for folder in folders)
    ]
    alone = [name for name in images if _stem(name) not in partners]
    if not alone:
        return
    loose = {stem.strip().lower() for stem in partners}
    near = sum(_stem(name).strip().lower() in loose for name in alone)
    names = ", ".join(alone[:3]) + (f" and {len(alone) - 3} more" if len(alone) > 3 else "")
    finding = setting.finding(
        f"{len(alone)} of {len(images)} images have no {what} of the same name and are trained without: {names}",
        "give both the same name, blanks and capitals included" if near else "give both the same name",
    )
    yield finding._replace(level="error") if len(alone) == len(images) else finding


def _stem(name: str) -> str:
    return os.path.splitext(name.rpartition("/")[2])[0]


def _lies_in(listing: Listing, name: str, folder: Listing) -> bool:
    return (listing.folder / name).resolve().parent == folder.folder.resolve()
