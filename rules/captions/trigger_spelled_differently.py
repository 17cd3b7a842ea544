from collections.abc import Iterator

from lora_doctor.captions.facts import Captions, names
from lora_doctor.captions.triggers import spelled, variants
from lora_doctor.rule import Finding, rule

CASED = ("flux2-klein", "flux2-dev", "flux1", "sana", "sd3")


@rule(level="warning", evidence="source")
def check(captions: Captions) -> Iterator[Finding]:
    """The trigger is spelled in several ways.

    Why: Qwen3, T5 and Gemma tell cases apart: `sks`, ` sks` and `Sks` are different tokens, and so different words.
    Glued to a neighbour (`zwxring`) it is another word for every encoder. ai-toolkit finds only the exact
    spelling and adds the trigger a second time. CLIP lower-cases, so there case alone is no matter.
    Instead: one spelling everywhere, in prompts too.
    Sources: tokenizers of CLIP-L, Qwen2.5 and T5 compared (`sks` is one, two and four tokens);
    ostris/ai-toolkit@27a03a91 toolkit/prompt_utils.py line 738 (`count(replace_with)`)

    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: Zwx ring on velvet
    data/e.png
    data/e.txt: zwx ring on oak
    ```
    ```toml lora-doctor flagged
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [[data]]
    folder = "data"
    ```
    ```files
    data/a.png
    data/a.txt: zwx ring on slate
    data/b.png
    data/b.txt: zwx ring on sand
    data/c.png
    data/c.txt: zwx ring on moss
    data/d.png
    data/d.txt: zwx ring on velvet
    data/e.png
    data/e.txt: zwx ring on oak
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    [[data]]
    folder = "data"
    ```
    """
    trigger, plan = captions.trigger, captions.plan
    if trigger is None:
        return
    found = variants(captions.texts, trigger.word)
    if plan.trainer != "ai-toolkit" and plan.model.family not in CASED:
        found = [each for each in found if each[0].lower() != trigger.word.lower()]
    if found:
        wrong = [entry for entry in captions.filled if not spelled(entry.text, trigger.word)]
        entries = tuple(entry for entry in wrong if any(spelling in entry.text for spelling, _ in found))
        shown = ", ".join(f"`{spelling}` ({count})" for spelling, count in found[:3])
        yield captions.finding(
            f"the trigger `{trigger.word}` is also spelled {shown}, which are other tokens to this model "
            f"({names(entries)})",
            "spell it in one way",
            entries,
        )
