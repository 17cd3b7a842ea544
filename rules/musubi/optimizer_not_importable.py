from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

BUILT_IN = ("adamw", "adamw8bit", "adafactor")  # in any spelling
TORCH = (
    "ASGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "Muon", "NAdam", "RAdam", "RMSprop",
    "Rprop", "SGD", "SparseAdam",
)  # fmt: skip
ELSEWHERE = {
    "prodigy": "prodigyopt.Prodigy",
    "lion8bit": "bitsandbytes.optim.Lion8bit",
    "lion": "bitsandbytes.optim.Lion",
    "pagedadamw8bit": "bitsandbytes.optim.PagedAdamW8bit",
    "pagedadamw": "bitsandbytes.optim.PagedAdamW",
    "ademamix8bit": "bitsandbytes.optim.AdEMAMix8bit",
    "came": "came_pytorch.CAME",
    "adamwschedulefree": "schedulefree.AdamWScheduleFree",
    "radamschedulefree": "schedulefree.RAdamScheduleFree",
    "dadaptadam": "dadaptation.DAdaptAdam",
}


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""An optimiser's name that musubi can't look up.

    Why: only AdamW, AdamW8bit and Adafactor are known by name. Any other word without a dot must be a class of
    `torch.optim`, in its exact spelling; `Prodigy`, `Lion` or `PagedAdamW8bit` end in an AttributeError after the model
    is loaded.
    Instead: write the class with its module: `prodigyopt.Prodigy`, `bitsandbytes.optim.Lion8bit`,
    `schedulefree.AdamWScheduleFree`.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 163-247 (`getattr(torch.optim, "Prodigy")`
    reproduced), https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type Prodigy --learning_rate 1.0 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type prodigyopt.Prodigy --learning_rate 1.0 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    setting = plan.get("optimizer_type")
    name = setting.value
    if not plan.training or not isinstance(name, str) or not name or "." in name or name in TORCH:
        return
    if name.lower() in BUILT_IN:
        return
    better = ELSEWHERE.get(name.lower()) or next((known for known in TORCH if known.lower() == name.lower()), None)
    yield setting.finding(
        f"`{name}` is neither built in nor a class of `torch.optim`: musubi stops with an AttributeError after "
        "loading the model",
        f"write `{better}`" if better else "write it with its module, as in `package.ClassName`",
        setting.write(better, safe=False) if better else None,
    )
