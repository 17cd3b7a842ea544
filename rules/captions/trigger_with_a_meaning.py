from collections.abc import Iterator

from lora_doctor.captions.known import FAMOUS, RARE
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

PROSE = ("flux2-klein", "flux2-dev", "flux1", "sana", "sd3")


@rule(level="note", evidence="contested")
def check(plan: Plan) -> Iterator[Finding]:
    """The trigger is rare, and means something all the same, as `sks` does.

    Why: DreamBooth's rare token was chosen for CLIP; the advice to use one lives on. Against it: `sks` names a rifle,
    and for Qwen3, T5 and Gemma, which split words they do not know into known pieces, rarity means little
    (SimpleTuner's guide calls the rare token a concept of dubious value). For it: it was used in most published SD
    recipes and one word for one LoRA is needed anyway.
    Instead: an invented word of your own together with the class ("zwx ring"), the same spelling everywhere.
    Sources: DreamBooth, arXiv:2208.12242; bghira/SimpleTuner documentation/DREAMBOOTH.md line 21;
    kohya-ss/musubi-tuner#990, https://github.com/kohya-ss/musubi-tuner/issues/990

    ```toml lora-doctor flagged
    output = "runs/sks"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "sks"
    ```
    ```toml lora-doctor clean
    output = "runs/zwx"
    [model]
    path = "black-forest-labs/FLUX.2-klein-base-9B"
    [captions]
    trigger = "zwx"
    ```
    """
    prompt = plan.get("instance_prompt")  # where a script has no setting for the trigger, it stands in its one prompt
    trigger = plan.trigger if plan.trigger.written or not prompt.written else prompt
    words = str(trigger.value or "").lower().split()
    meant = FAMOUS if trigger is plan.trigger else RARE  # in a sentence, `lego` may be meant
    known = next((word for word in words if word in meant), None)
    if plan.training and known and trigger.written:
        reader = "" if plan.model.family not in PROSE else "; rarity means little to this model's text encoder anyway"
        yield trigger.finding(
            f"the trigger `{known}` has a meaning ({FAMOUS[known]}){reader}", "invent a word of your own"
        )
