from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, Place, rule

FLAGS = (
    "p2",
    "n",
    "n2",
    "w",
    "h",
    "d",
    "seed",
    "l",
    "cfg",
    "s",
    "steps",
    "m",
    "network_multiplier",
    "gr",
    "a",
    "ref",
    "ev",
    "extra_values",
    "frames",
    "num_frames",
    "fps",
    "ctrl_img",
    "ctrl_idx",
)


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A sample prompt is cut at two dashes.

    Why: sample prompts are split at `--`, as in sd-scripts: what follows is read as a flag (`--w`, `--h`, `--seed`,
    `--cfg`, `--steps`, `--m`, `--n`...). After a word that is no flag the text is dropped without a message, up to
    the next flag.
    Instead: a comma or a single dash instead; remove flags of other tools such as `--ar`.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py (`_process_prompt_string`),
    https://github.com/ostris/ai-toolkit

    ```yaml ai-toolkit flagged
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            prompts:
              - a ring on slate -- macro, soft light
    ```
    ```yaml ai-toolkit clean
    job: extension
    config:
      name: zwx
      process:
        - type: diffusion_trainer
          training_folder: output
          train:
            lr: 1e-4
            noise_scheduler: flowmatch
          model:
            arch: flux2_klein_4b
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
          sample:
            sampler: flowmatch
            prompts:
              - a ring on slate, macro, soft light --m 0.8
    ```
    """
    samples, prompts = plan.get("sample.samples"), plan.get("sample.prompts")
    chosen = samples if samples.value is not None else prompts
    if not plan.training or chosen.place is None or not isinstance(chosen.value, list):
        return
    document = plan.config.document
    for i, item in enumerate(chosen.value):
        text = item.get("prompt") if isinstance(item, dict) else item
        path = (*chosen.place.path, i, "prompt") if isinstance(item, dict) else (*chosen.place.path, i)
        entry = document.entries.get(path)
        for part in text.split("--")[1:] if isinstance(text, str) else ():
            flag, _, rest = part.partition(" ")
            if entry is None or flag.strip() in FLAGS:
                continue
            lost = (f"--{flag} {rest}" if flag else rest).strip()[:60]
            yield Finding(
                Place(document, entry.span, path),
                f"everything from `--` is cut off: `{lost}`",
                "write a comma instead",
                "prompt",
            )
            break
