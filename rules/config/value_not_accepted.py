from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule
from lora_doctor.setting import is_of_type

MODELS = ("model.type", "model_type", "model_family", "model.arch")  # newer versions and forks know more of them


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A value that is not among those this trainer knows.

    Why: some trainers stop, often after loading the model; others fall through to another branch than the one meant
    (sd-scripts with `save_precision = "bfloat16"` in a TOML file saves fp32) or keep the default.
    Instead: use one of the values in the message. A model this version does not know may be one a fork or a newer
    version does: there it is a warning.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py (choices are not applied to a config file);
    tdrussell/diffusion-pipe@8f83dbf utils/common.py DTYPE_MAP, train.py line 857; Nerogar/OneTrainer@23df3832
    modules/util/config/BaseConfig.py

    ```toml diffusion-pipe flagged
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    lr_scheduler = "cosine_with_restarts"
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    ```toml diffusion-pipe clean
    output_dir = "out"
    dataset = "dataset.toml"
    epochs = 10
    save_every_n_epochs = 1
    lr_scheduler = "cosine"
    [model]
    type = "flux2"
    dtype = "bfloat16"
    ```
    ```toml musubi-tuner clean
    dit = "/models/flux-2-klein-base-4b.safetensors"
    vae = "/models/ae.safetensors"
    text_encoder = "/models/qwen3_4b.safetensors"
    dataset_config = "dataset.toml"
    model_version = "klein-base-4b"
    network_module = "networks.lora_flux_2"
    network_dim = 16
    output_dir = "out"
    dynamo_mode = ""
    ```
    """
    for config in plan.configs:
        for key, setting in config.written():
            known = config.table.find(key)
            if known is None or not known.choices or not isinstance(setting.value, (str, bool, int, float)):
                continue
            if setting.value in known.choices or config.means(setting.value, known.choices) or config.blank(key):
                continue
            if not is_of_type(setting.value, known.type, config.lenient):
                continue  # which `wrong-type` says
            offer = _offer(setting.value, known.choices)
            found = setting.finding(
                f"`{setting.key}` is {setting.value!r}, which {plan.trainer} {config.table.version} does not know",
                offer,
            )
            newer = key in MODELS and not offer.startswith("did")
            yield found._replace(level="warning") if newer else found


def _offer(value: object, choices: tuple[object, ...]) -> str:
    from difflib import get_close_matches

    names = [str(choice) for choice in choices if choice is not None]
    close = get_close_matches(str(value), names, n=1, cutoff=0.6)
    if close:
        return f"did you mean `{close[0]}`?"
    return "use one of " + ", ".join(f"`{name}`" for name in names[:12]) + (", ..." if len(names) > 12 else "")
