from collections.abc import Iterator

from lora_doctor.plan import Plan
from lora_doctor.rule import Finding, rule

KLEIN_4B, KLEIN_9B = "flux2_klein_4b", "flux2_klein_9b"
MEANT = {
    **dict.fromkeys(("flux2_klein", "klein", "flux2klein", "klein_4b", "flux_2_klein", "flux_2_klein_4b"), KLEIN_4B),
    **dict.fromkeys(("flux2_klein_4b", "flux2_klein_base_4b", "flux2klein_4b", "flux_2_klein_base_4b"), KLEIN_4B),
    **dict.fromkeys(
        ("flux2_klein_9b", "klein_9b", "flux2_klein_base_9b", "flux_2_klein_9b", "flux2klein_9b"), KLEIN_9B
    ),
    **dict.fromkeys(("flux2_dev", "flux_2", "flux_2_dev"), "flux2"),
    **dict.fromkeys(("flux", "flux1", "flux_1", "flux_dev", "flux1_dev", "flux_1_dev", "flux_schnell"), "flux"),
    **dict.fromkeys(("kontext", "flux1_kontext"), "flux_kontext"),
    **dict.fromkeys(("sdxl", "sd_xl", "xl", "sdxl_10", "stable_diffusion_xl", "pony", "illustrious"), "sdxl"),
    **dict.fromkeys(("sd_15", "sd_1", "stable_diffusion"), "sd15"),
    **dict.fromkeys(("sd35", "sd_3", "sd_35"), "sd3"),
    **dict.fromkeys(("qwen", "qwenimage", "qwen_image_2512"), "qwen_image"),
    **dict.fromkeys(("z_image", "z_image_turbo", "zimage_turbo"), "zimage"),
    **dict.fromkeys(("wan", "wan_21"), "wan21"),
    **dict.fromkeys(("wan22", "wan_22", "wan22_14b_t2v"), "wan22_14b"),
    **dict.fromkeys(("lumina", "lumina_2"), "lumina2"),
}


@rule(level="error", evidence="source")
def check(plan: Plan) -> Iterator[Finding]:
    """An architecture ai-toolkit does not have.

    Why: a name that no model class carries is not refused: the old Stable Diffusion loader takes the file, and
    fails on it late or builds the wrong pipeline. `flux2_klein` is such a name: the sizes are `flux2_klein_4b` and
    `flux2_klein_9b`.
    Instead: the name in the message. An architecture newer than this list, or one of your own extension, is only
    warned about: ignore that.
    Sources: ostris/ai-toolkit@27a03a91 toolkit/util/get_model.py (falls back to StableDiffusion), `arch =` in
    extensions_built_in, https://github.com/ostris/ai-toolkit

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
            arch: flux2_klein
            name_or_path: black-forest-labs/FLUX.2-klein-base-4B
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
    ```
    """
    arch = plan.get("model.arch")
    if not plan.training or not isinstance(arch.value, str) or plan.model.declared.family:
        return
    name = arch.value.partition(":")[0]
    meant = MEANT.get(name.lower().replace("-", "_").replace(".", "").replace(" ", "_"))
    if meant == "flux2_klein_4b" and "9b" in str(plan.model.setting.value).lower():
        meant = "flux2_klein_9b"
    if meant:
        yield arch.finding(
            f"ai-toolkit has no architecture `{name}`: the Stable Diffusion loader takes the file",
            f"set it to `{meant}`",
            arch.write(meant, safe=False),
        )
    else:
        yield arch.finding(
            f"ai-toolkit {plan.config.table.version} has no architecture `{name}` and loads it as Stable Diffusion",
            "check the name, unless your version is newer",
        )._replace(level="warning")
