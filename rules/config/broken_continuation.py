from collections.abc import Iterator

from lora_doctor.commands import cut_off
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""Options that begin a new command and never reach the training script.

    Why: a command goes on only where the backslash is the very last character of a line and the next line is no
    comment and not empty. Anything else ends it there: the run starts without the options that follow, with the
    defaults in their place, and the shell's complaint (`--lr_scheduler: command not found`) comes after the run.
    Instead: end every line but the last with the backslash, and keep comments above the command. cmd uses `^` and
    PowerShell a backtick, by the same rule.
    Sources: POSIX Shell Command Language, 2.2.1 and 2.3 (escape character, comments); run with bash 5.2

    ```shell diffusers flagged
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt="a photo of zwx dog" \
      --rank=16 \
      # --rank=32 --lora_alpha=32 \
      --lora_alpha=16 \
      --learning_rate=2e-4
    ```
    ```shell diffusers clean
    # --rank=32 --lora_alpha=32
    accelerate launch train_dreambooth_lora_flux2_klein.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.2-klein-base-4B \
      --text_encoder_out_layers 9 18 27 \
      --instance_data_dir=dog \
      --instance_prompt="a photo of zwx dog" \
      --rank=16 \
      --lora_alpha=16 \
      --learning_rate=2e-4
    ```
    """
    document = plan.config.document
    pieces = cut_off(document) if document.syntax == "shell" else []
    for piece in pieces:
        first, more = piece.options[0], len(piece.options) - 1
        rest = f" and {more} more begin" if more else " begins"
        yield Finding(
            piece.place,
            f"`{first}`{rest} a new command: {piece.cause}, so the script never gets {'them' if more else 'it'}",
            "continue the line above",
            first,
            fix=piece.fix,
        )
    if pieces:
        return
    for config in plan.configs:
        for refusal in config.refused:
            if refusal.why == "escaped blank" and not config.lenient:
                yield refusal.setting.finding(
                    "a mark that should continue the line has a blank behind it: the blank becomes a word, and "
                    "argparse stops at start",
                    "remove the mark",
                    refusal.fix,
                )
