from collections.abc import Iterator
from itertools import groupby

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import Config, Refusal

TRUE = ("true", "1", "yes", "on")


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    r"""A word on the command line that argparse stops at.

    Why: a switch such as `--cache_latents` takes no value, other options take exactly one: what follows it is
    "unrecognized arguments", and the script stops at start. A prompt without quotes, or a variable without quotes
    that holds blanks, ends like this.
    Instead: quote values with blanks; leave `true` away behind a switch, and the switch itself to turn it off.
    Sources: Python's argparse (`store_true`, `nargs`), which all these scripts use

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt a photo of zwx dog \
      --cache_latents True \
      --rank=16 --lora_alpha=16
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt "a photo of zwx dog" \
      --cache_latents \
      --rank=16 --lora_alpha=16
    ```
    """
    for config in plan.configs:
        if config.lenient or config.document.syntax != "shell":
            continue
        refused = [refusal for refusal in config.refused if refusal.why != "escaped blank"]
        for (key, why), group in groupby(refused, key=lambda refusal: (refusal.setting.key, refusal.why)):
            yield _finding(config, key, why, list(group))


def _finding(config: Config, key: str, why: str, refusals: list[Refusal]) -> Finding:
    first, fix = refusals[0].setting, refusals[0].fix
    words = " ".join(refusal.setting.value or "" for refusal in refusals)
    known = config.table.find(key.removeprefix("--")) if key else None
    if why == "needs a value":
        return first.finding(f"`{key}` has no value: the script stops at start", f"give `{key}` a value, or remove it")
    if why == "no number":
        return first.finding(f"`{words}` behind `{key}` is no number: the script stops at start", "write numbers")
    if why == "ambiguous":
        return first.finding(f"`{words}` begins several options: the script stops at start", "spell it out")
    if why == "takes no value" or (known is not None and known.type == "bool"):
        value = words.partition("=")[2] if why == "takes no value" else words
        on = value.lower() in TRUE
        return first.finding(
            f"`{key}` takes no value: the script stops at start because of `{value}`",
            f"write `{key}` alone" if on else f"remove `{key}` to leave it off",
            fix if on else None,
        )
    return first.finding(
        f"`{words}` belongs to no option: the script stops at start",
        f"quote the value of `{key}`" if key and known is not None else "remove it",
        fix,
    )
