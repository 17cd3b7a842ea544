"""What SimpleTuner trains: `model_family` and `model_flavour`, or a path that overrides the flavour's repository.

Source: helpers/models/*/model.py (HUGGINGFACE_PATHS, DEFAULT_MODEL_FLAVOUR), helpers/models/common.py
(setup_model_flavour), bghira/SimpleTuner@bc8e6ab.
"""

from __future__ import annotations

from lora_doctor.dialects.reader import Reader
from lora_doctor.dialects.simpletuner_settings import KEYS, number, text, whole
from lora_doctor.models.families import FAMILIES
from lora_doctor.models.identify import ModelIdentity
from lora_doctor.models.names import identify_name
from lora_doctor.plan import UNKNOWN, Component, Timesteps
from lora_doctor.setting import Config, Setting, key_table

FAMILY_NAMES = {
    "flux": "flux1", "sana": "sana", "sdxl": "sdxl", "sd3": "sd3", "sd1x": "sd15", "sd2x": "sd2",
    "qwen_image": "qwen-image", "z_image": "z-image", "hunyuanvideo": "hunyuan", "ltxvideo": "ltx",
    "ltxvideo2": "ltx", "lumina2": "lumina", "ernie": "ernie-image", "longcat_image": "longcat",
    "longcat_video": "longcat", "stable_cascade": "cascade", "sanavideo": "sana-video", "pixart_sigma": "pixart",
    "cosmos2image": "cosmos",
}  # fmt: skip
# Tokens per prompt; `tokenizer_max_length` is overruled here.
FIXED_TOKENS = {"flux2": 512, "sana": 300, "sdxl": 77}
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "v": "v", "flow_matching": "flow", "flow": "flow"}
SAMPLINGS = {
    "flow_schedule_auto_shift": "flux_shift",
    "flow_use_uniform_schedule": "uniform",
    "flow_use_beta_schedule": "beta",
}
FLOW = frozenset({"flux", "flux2", "sd3"})  # sampled by the common code, shift included
SDXL_VAE = frozenset({"sdxl", "pixart_sigma", "kolors"})


def flavours(family: object) -> dict[str, str]:
    """The repositories of a family by flavour; the first one is the default."""
    rows = key_table(KEYS, "flavours").keys.items()
    return {name.partition(".")[2]: row.default for name, row in rows if name.partition(".")[0] == family}


def model(run: Config, reader: Reader) -> Component:
    """The base model: the path where one is written, else the flavour's repository."""
    family = str(run.get("model_family").value or "")
    path = run.get("pretrained_model_name_or_path").map(text)
    flavour = run.get("model_flavour", next(iter(flavours(family)), None) if not path.value else None)
    declared = _declared(family, flavour.value)
    if path.value:
        return reader.component(path, run.document, declared)
    place = flavour if flavour.value else run.get("model_family")
    return Component(place.map(text), declared)


def _declared(family: str, flavour: object) -> ModelIdentity:
    repository = flavours(family).get(str(flavour))
    if repository is not None:
        named = identify_name(str(repository))
        if named.family:
            return ModelIdentity(*named, evidence=f"`{flavour}` is {repository}", certainty="likely")
    name = FAMILY_NAMES.get(family)
    if name is None and family and family != "flux2":  # flux2 without a flavour may be Klein or dev
        name = family.replace("_", "-")
    return ModelIdentity(role="transformer", family=name) if name else UNKNOWN


def text_encoder(run: Config, reader: Reader) -> Component:
    """A text encoder of one's own."""
    for key in ("qwen_text_encoder_model_name_or_path", "pretrained_t5_model_name_or_path"):
        if run.get(key).value:
            return reader.component(run.get(key), run.document)
    return Component(run.get("qwen_text_encoder_model_name_or_path"))


def vae(run: Config, reader: Reader) -> Component:
    """The VAE: an SDXL one in another family is put aside, SANA takes none."""
    family, path = run.get("model_family").value, run.get("pretrained_vae_model_name_or_path")
    if family == "sana" or (family not in SDXL_VAE and "sdxl" in str(path.value)):
        return Component()
    return reader.component(path, run.document)


def prompt_tokens(run: Config) -> Setting[int]:
    """The longest prompt; some families overrule the option."""
    fixed = FIXED_TOKENS.get(str(run.get("model_family").value))
    return run.get("tokenizer_max_length", fixed).map(lambda value: fixed or whole(value))


def timesteps(run: Config, model_family: str | None) -> Timesteps:
    """How noise is drawn: a sigmoid of a normal, then shifted; SANA draws evenly from its own table."""
    family = str(run.get("model_family").value or "")
    known = FAMILIES.get(model_family or "")
    prediction = run.get("prediction_type", known.prediction if known else None)
    offset = run.get("noise_offset").map(number) if run.get("offset_noise").value is True else Setting()
    return Timesteps(
        sampling=_sampling(run, family),
        shift=run.get("flow_schedule_shift").map(number) if _shifted(run, family) else Setting(),
        weighting=run.get("timestep_bias_strategy").map(text),
        prediction=prediction.map(lambda name: PREDICTIONS.get(str(name))),
        zero_terminal_snr=run.get("rescale_betas_zero_snr"),
        min_snr_gamma=run.get("snr_gamma").map(number),
        noise_offset=offset,
        guidance=run.get("flux_guidance_value").map(number),
    )


def _shifted(run: Config, family: str) -> bool:
    return family in FLOW and run.get("flow_schedule_auto_shift").value is not True


def _sampling(run: Config, family: str) -> Setting[str]:
    if family == "sana":
        return run.get("flow_use_uniform_schedule").map(lambda _: "uniform")
    if family not in FLOW:
        return Setting()
    for key, name in SAMPLINGS.items():
        if run.get(key).value is True:
            return run.get(key).map(lambda _, name=name: name)  # type: ignore[misc]
    return run.get("flow_sigmoid_scale").map(lambda _: "sigmoid")
