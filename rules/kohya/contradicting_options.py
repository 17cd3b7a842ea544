from collections.abc import Iterator

from lora_doctor.derived import dataset_lookups
from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

STOPS = "an assertion or ValueError stops the run"
EXCLUDE = (
    ("v_parameterization", "v_pred_like_loss"),
    ("optimizer_type", "use_8bit_adam"),
    ("optimizer_type", "use_lion_optimizer"),
    ("use_8bit_adam", "use_lion_optimizer"),
    ("blocks_to_swap", "cpu_offload_checkpointing"),
    ("network_train_unet_only", "network_train_text_encoder_only"),
)
REQUIRE = (
    ("adaptive_noise_scale", "noise_offset"),
    ("scale_v_pred_loss_like_noise_pred", "v_parameterization"),
)


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """Two options that exclude each other.

    Why: sd-scripts asserts some combinations at start and others only when the optimiser or network is made, after the
    model is loaded and latents and texts are cached.
    Instead: change one of the two.
    Sources: kohya-ss/sd-scripts@48d368fa library/train_util.py `verify_training_args`, `get_optimizer`,
    `prepare_accelerator`, `is_latent_cacheable`; flux_train_network.py; library/sdxl_train_util.py line 349,
    https://github.com/kohya-ss/sd-scripts

    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    cache_latents = true
    random_crop = true
    ```
    ```toml sd-scripts clean
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    cache_latents = false
    random_crop = true
    ```
    ```toml sd-scripts flagged
    pretrained_model_name_or_path = "models/sd_xl_base_1.0.safetensors"
    network_module = "networks.lora"
    network_dim = 16
    network_alpha = 16
    output_dir = "out"
    optimizer_type = "AdamW"
    use_8bit_adam = true
    ```
    """
    if not plan.training or plan.config.open:
        return
    for one, other in EXCLUDE:
        first, second = plan.argument(one), plan.argument(other)
        if first.value and second.value and (first.written or second.written):
            setting = second if second.written else first
            yield setting.finding(f"`{first.key}` and `{second.key}` exclude each other: {STOPS}", "drop one of them")
    for moving in (find(key) for key in ("color_aug", "random_crop") for find in dataset_lookups(plan)):
        if moving.written and moving.value and plan.cache_latents.value:
            pair = f"`{plan.cache_latents.key}` and `{moving.key}`"
            yield moving.finding(f"{pair} exclude each other: {STOPS}", "drop one of them")
    for one, needed in REQUIRE:
        first, second = plan.argument(one), plan.argument(needed)
        if first.written and first.value and not second.value and second.origin != "written":
            finding = first.finding(f"`{first.key}` needs `{second.key}`: {STOPS}", f"set `{second.key}`, or drop this")
            yield finding if plan.script else finding._replace(level="warning")
    fused, name = plan.argument("fused_backward_pass"), plan.optimizer.name.value
    if fused.value and fused.written and name and str(name).lower() != "adafactor":
        yield fused.finding(f"`{fused.key}` works with Adafactor only: {STOPS}", "use Adafactor, or drop this")
    tracker, folder = plan.argument("log_with"), plan.argument("logging_dir")
    if tracker.value in ("tensorboard", "all") and tracker.written and not folder.value and folder.origin != "written":
        message = f"`{tracker.key}` {tracker.value} needs `{folder.key}`: {STOPS}"
        finding = tracker.finding(message, f"set `{folder.key}`")
        yield finding if plan.script else finding._replace(level="warning")
