from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.suggest import modified


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A key without which this trainer stops.

    Why: the trainer reads the key without a default, some at start, some only at the first save, when everything
    trained so far is lost.
    A command with several options the script never had is one of a changed copy, whose needs are not known.
    Instead: add the key.
    Sources: the trainers' own code; tdrussell/diffusion-pipe@8f83dbf utils/saver.py line 140 (`epochs`, read at the
    end of the first epoch)

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    [model]
    type = "sdxl"
    checkpoint_path = "/models/sd_xl_base_1.0.safetensors"
    dtype = "bfloat16"
    [optimizer]
    type = "adamw_optimi"
    lr = 1e-4
    ```
    ```shell diffusers clean
    accelerate launch train_dreambooth_lora_flux.py \
      --pretrained_model_name_or_path=black-forest-labs/FLUX.1-dev \
      --reflow_data_root=/data/reflow \
      --reflow_steps=20 \
      --output_dir=out
    ```
    ```toml diffusion-pipe clean
    resolutions = [1024]
    enable_ar_bucket = true
    [[directory]]
    num_repeats = 1
    type = "parquet"
    parquet_files = "/data/*.parquet"
    image_column = "image"
    caption_column = "caption"
    ```
    """
    for config in plan.configs:
        if modified(plan, config):
            continue
        for key, known in config.table.keys.items():
            if known.required:
                for name in config.places(key):
                    if modified(plan, config, name.rpartition(".")[0]):
                        continue
                    if not config.has(name) and not config.items(name):  # `[[directory]]` is its elements
                        setting = config.get(name)
                        yield setting.finding(
                            f"`{setting.key}` is missing: {plan.trainer} stops without it", f"set `{setting.key}`"
                        )
