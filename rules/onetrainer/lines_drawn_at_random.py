from collections.abc import Iterator
from itertools import pairwise

from lora_doctor.captions.facts import Captions, counted, names
from lora_doctor.rule import Finding, rule


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """A caption of several lines is several captions, one drawn per step.

    Why: OneTrainer takes every line of a caption file as a caption of its own and draws one of them. Of a description
    with line breaks, the model sees one piece at a time, most of them without the trigger.
    Instead: join the lines; leave them where each is a caption by itself.
    Sources: Nerogar/mgds@3a6994a src/mgds/pipelineModules/LoadMultipleTexts.py (`[line.strip() for line in f]`)

    ```text file data/a.txt
    zwx ring on slate,
    soft light from the left
    ```
    ```files
    data/a.png
    ```
    ```json OneTrainer flagged
    {"model_type": "STABLE_DIFFUSION_XL_10_BASE", "training_method": "LORA", "learning_rate": 1e-4,
     "lora_rank": 16, "lora_alpha": 16, "resolution": "1024", "output_model_destination": "out/zwx.safetensors",
     "concepts": [{"path": "data", "name": "zwx", "text": {"prompt_source": "sample"}}]}
    ```
    ```text file data/a.txt
    zwx ring on slate, soft light from the left
    ```
    ```files
    data/a.png
    ```
    ```json OneTrainer clean
    {"model_type": "STABLE_DIFFUSION_XL_10_BASE", "training_method": "LORA", "learning_rate": 1e-4,
     "lora_rank": 16, "lora_alpha": 16, "resolution": "1024", "output_model_destination": "out/zwx.safetensors",
     "concepts": [{"path": "data", "name": "zwx", "text": {"prompt_source": "sample"}}]}
    ```
    """
    several = tuple(entry for entry in captions.entries if _broken(entry.every))
    if several:
        yield captions.finding(
            f"{counted(several, captions, 'are')} broken into lines ({names(several)}): each line "
            "is a caption of its own, and one is drawn per step",
            "join the lines",
            several,
        )


def _broken(lines: tuple[str, ...]) -> bool:
    """Whether one text was broken up: alternatives start anew, and don't end in a comma."""
    return any(
        line.endswith((",", ";", " and")) or (other[:1].islower() and line[-1:].isalnum() and line[:1].isupper())
        for line, other in pairwise(lines)
    )
