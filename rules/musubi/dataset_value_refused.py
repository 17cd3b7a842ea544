from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

VIDEO_KEYS = ("target_frames", "frame_extraction", "frame_stride", "frame_sample", "max_frames", "source_fps")
IMAGE_KEYS = (
    "image_directory", "image_jsonl_file", "multiple_target", "no_resize_control", "control_resolution",
    "fp_1f_clean_indices", "fp_1f_target_index", "fp_1f_no_post",
)  # fmt: skip


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """A dataset value that musubi's schema refuses.

    Why: the file is validated to the letter before anything is loaded: `resolution` must be one integer or two,
    `source_fps` a float (30.0, not 30), and an entry with images takes no video keys.
    Instead: write the value as the message says.
    Sources: kohya-ss/musubi-tuner@30c658c dataset/config_utils.py `ConfigSanitizer`,
    https://github.com/kohya-ss/musubi-tuner

    ```toml musubi-tuner flagged
    [general]
    resolution = [1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    ```
    ```toml musubi-tuner clean
    [general]
    resolution = [1024, 1024]
    caption_extension = ".txt"
    enable_bucket = true
    [[datasets]]
    image_directory = "data"
    cache_directory = "cache"
    ```
    """
    for config in (plan.config, *plan.dataset_configs):
        for key, setting in config.written():
            last = key.rpartition(".")[2]
            if config.table.name != "dataset":
                break
            if last.endswith("resolution") and isinstance(setting.value, list) and not _is_size(setting.value):
                yield setting.finding(
                    f"`{setting.key}` is {setting.value}: musubi takes one integer or [width, height]",
                    "write two integers",
                )
            elif last == "source_fps" and isinstance(setting.value, int) and not isinstance(setting.value, bool):
                yield setting.finding(
                    f"`source_fps = {setting.value}` is an integer: musubi refuses it",
                    f"write {float(setting.value)}",
                    setting.write(float(setting.value)),
                )
    for data in plan.datasets:
        video = data.get("video_directory").written or data.get("video_jsonl_file").written
        for key in IMAGE_KEYS if video else VIDEO_KEYS:
            setting = data.get(key)
            if setting.written:
                kind = "a video" if video else "an image"
                yield setting.finding(f"`{key}` in {kind} dataset: musubi refuses it", "remove it")


def _is_size(value: list[object]) -> bool:
    return len(value) == 2 and all(isinstance(side, int) and not isinstance(side, bool) for side in value)
