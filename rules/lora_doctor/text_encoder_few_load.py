from collections.abc import Iterator

from lora_doctor.models.families import FAMILIES
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

LOADED = {
    "flux2-klein": "ComfyUI alone loads it (save `kohya` or `comfyui` too), and diffusers passes over it",
    "sana": "no program loads it",
}


@rule(level="warning", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A language model gets a LoRA that hardly any program loads.

    Why: the pipelines of FLUX.2 Klein and SANA load a LoRA into the transformer only, and pass over the text encoder's
    part without a word: the transformer then gets other prompts than it was trained with. ComfyUI knows the layers of
    Klein's Qwen3. Captions can't be encoded beforehand either: the encoder stays in memory, with what its backward
    pass needs.
    Instead: train the transformer alone, which learns the trigger too. Where it is for your own Python code, load the
    second part by hand: `pipeline.text_encoder.load_adapter(CHECKPOINT + "/text_encoder")`.
    Sources: diffusers 0.42.1 Flux2LoraLoaderMixin and SanaLoraLoaderMixin (_lora_loadable_modules ==
    ["transformer"]); ComfyUI comfy/lora.py@17358c8 (model_lora_keys_clip)

    ```toml lora-doctor flagged
    output = "run"
    model = {path = "models/FLUX.2-klein-base-4B", family = "flux2-klein-4b"}
    adapter = {text_encoder = true}
    training = {steps = 500}
    data = [{folder = "data/zwx"}]
    ```
    ```toml lora-doctor clean
    output = "run"
    model = {path = "models/sdxl-base", family = "sdxl"}
    adapter = {text_encoder = true}
    training = {steps = 500}
    data = [{folder = "data/zwx"}]
    ```
    """
    setting, family = plan.train_text_encoder, plan.model.family or ""
    if setting.written and setting.value is True and family in LOADED:
        yield setting.finding(
            f"a LoRA on the text encoder of {FAMILIES[family].title}: {LOADED[family]}",
            "train the transformer alone",
            setting.write(False),
        )
