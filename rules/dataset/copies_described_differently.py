from collections.abc import Iterator
from itertools import combinations

from lora_doctor.captions.words import PLAIN, words
from lora_doctor.dataset.imageset import ImageSet
from lora_doctor.rule import Finding, rule

FEWEST = 4  # words with content, below which a caption can't contradict another
SHARED = 0.2  # of the words of both


@rule(level="note", evidence="source")
def check(images: ImageSet) -> Iterator[Finding]:
    """One picture, described as two different things.

    Why: One of the captions is probably another image's: files were renumbered, or captions moved. The model learns
    that either text means this picture, and both lose their meaning.
    Instead: Look which caption is right, and remove the copy.
    Sources: trainers pair images and captions by the file's name alone (`lora_doctor/captions/read.py` names their
    code), so a shifted number gives every image another's caption without a word

    ```dataset flagged
    a.png: 300x300 photo
    a.txt: a woman in a red coat on a bridge at night
    b.jpg: 240x240 like=a.png quality=80
    b.txt: three oranges in a wooden bowl, window light
    ```
    ```dataset clean
    a.png: 300x300 photo
    a.txt: a woman in a red coat on a bridge at night
    b.jpg: 240x240 like=a.png quality=80
    b.txt: woman on a bridge, red coat, street lamps behind her
    ```
    """
    for group in images.copies:
        if group.how not in ("identical", "pixels", "near"):
            continue  # a crop may well show something else
        said = [(name, _content(images.captions.get(name, ""))) for name in group.names]
        for (one, first), (other, second) in combinations([each for each in said if len(each[1]) >= FEWEST], 2):
            if len(first & second) < SHARED * len(first | second):
                yield images.finding(
                    [one, other],
                    f"copies of one picture whose captions share {len(first & second)} of {len(first | second)} words",
                    "look which caption is right",
                )
                break


def _content(text: str) -> set[str]:
    return {word for word in words(text.lower()) if word not in PLAIN and len(word) > 2}
