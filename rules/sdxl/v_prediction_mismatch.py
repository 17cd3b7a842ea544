from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

# trainers that must be told; the others read the model's own scheduler config
DECLARED = ("sd-scripts", "kohya_ss", "diffusion-pipe", "OneTrainer", "ai-toolkit")


@rule(level="error", evidence="reported")
def check(plan: Plan) -> Iterator[Finding]:
    """A v-prediction model trained to predict noise, or the reverse.

    Why: the loss asks for another quantity than the model was made to give; the run shows no error and the LoRA draws
    empty or grey images.
    Instead: `v_parameterization` (with `zero_terminal_snr` for the NoobAI kind) in sd-scripts, `v_pred = true` in
    diffusion-pipe, `prediction = "v"` here; nothing of it on an ordinary SDXL model.
    Sources: kohya-ss/sd-scripts#1772, https://github.com/kohya-ss/sd-scripts/issues/1772; arenasys/qDiffusion#54

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/noobaiXLNAIXL_vPred10Version.safetensors"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/noobaiXLNAIXL_vPred10Version.safetensors"
    dtype = "bfloat16"
    v_pred = true
    ```
    """
    model, prediction = plan.model, plan.timesteps.prediction
    if not plan.training or plan.trainer not in DECLARED or model.setting.place is None:
        return
    if model.found.variant == "v-prediction" and prediction.value != "v":
        yield model.setting.finding(
            "this is a v-prediction model, and the run trains it to predict noise: the LoRA will draw empty images",
            f"set `{prediction.key}`" if prediction.key else "switch v-prediction on",
        )
    elif prediction.written and prediction.value == "v" and model.found.variant == "base":
        yield prediction.finding(
            "v-prediction on the SDXL base model, which predicts noise: the LoRA will draw empty images",
            "switch it off",
        )
