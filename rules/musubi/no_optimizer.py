from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule


@rule(level="error", evidence="reproduced")
def check(plan: Plan) -> Iterator[Finding]:
    r"""No `--optimizer_type`, which has no default that works.

    Why: the parser's default is an empty string, which is looked up in `torch.optim`: an AttributeError once the
    datasets, the text encoder and the transformer are loaded.
    Instead: `--optimizer_type adamw8bit`, as in the documentation's command, or any class by its path.
    Sources: kohya-ss/musubi-tuner@30c658c training/trainer_base.py lines 163-240 (`getattr(torch.optim, "")`
    reproduced), https://github.com/kohya-ss/musubi-tuner

    ```shell musubi-tuner flagged
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --learning_rate 1e-4 --network_module networks.lora_flux_2 \
      --network_dim 32 --network_alpha 32 --max_train_epochs 16 --output_dir out --output_name zwx
    ```
    ```shell musubi-tuner clean
    accelerate launch --mixed_precision bf16 src/musubi_tuner/flux_2_train_network.py \
      --model_version klein-base-9b --dit models/flux-2-klein-base-9b.safetensors \
      --dataset_config dataset.toml --sdpa --optimizer_type adamw8bit --learning_rate 1e-4 \
      --network_module networks.lora_flux_2 --network_dim 32 --network_alpha 32 --max_train_epochs 16 \
      --output_dir out --output_name zwx
    ```
    """
    name = plan.get("optimizer_type")
    if plan.training and plan.script and not name.value and name.origin != "unknown":
        yield name.finding(
            "no `--optimizer_type`: musubi stops with an AttributeError after loading the model",
            "set `--optimizer_type adamw8bit`",
            name.write("adamw8bit", safe=False),
        )
