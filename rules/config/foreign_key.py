from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import is_of_type
from lora_doctor.suggest import modified, unknown_keys


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Another trainer's word for a key this trainer has.

    Why: recipes travel between trainers, key names do not. `learning_rate` in an ai-toolkit file leaves the rate at
    1e-6; in a diffusion-pipe file it is not read either.
    Instead: use this trainer's word, given in the message; mind that its unit may differ.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/config_modules.py line 381; bmaltais/kohya_ss#2596,
    https://github.com/bmaltais/kohya_ss/issues/2596

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    train_batch_size = 4
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    micro_batch_size_per_gpu = 4
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "/models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    learning_rate = 1e-4
    output_dir = "out"
    vae_dtype = "fp32"
    ```
    """
    for config, key, setting, better in unknown_keys(plan):
        if better is not None and better.kind == "foreign":
            same_table = better.key.rpartition(".")[0] == key.rpartition(".")[0]
            known = config.table.find(better.key)
            fits = known is None or is_of_type(setting.value, known.type, config.lenient or config.prefix == "--")
            verdict = "the trainer stops at start" if config.strict else "it is ignored and the default stays in place"
            found = setting.key_finding(
                f"{plan.trainer} has no key `{setting.key}`: {verdict}",
                f"{plan.trainer} calls this `{config.prefix}{better.key}`"
                + ("" if fits else ", with values of another kind"),
                setting.call(better.key.rpartition(".")[2], safe=False) if same_table and fits else None,
            )
            yield found._replace(level="warning") if modified(plan, config) else found
