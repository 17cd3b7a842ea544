"""Names as users write them: hub ids, release files, paths of ComfyUI, the hub's cache, Windows."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lora_doctor.models.families import FAMILIES
from lora_doctor.models.names import ModelName, identify_name

HUB = "https://huggingface.co/"
COMMIT = "0123456789abcdef0123456789abcdef01234567"

# name: role family size variant precision encoder vae, "-" for None
TABLE = """
black-forest-labs/FLUX.2-klein-4B                                       | pipeline     flux2-klein 4B distilled - - -
black-forest-labs/FLUX.2-klein-9B                                       | pipeline     flux2-klein 9B distilled - - -
black-forest-labs/FLUX.2-klein-base-4B                                  | pipeline     flux2-klein 4B base - - -
black-forest-labs/FLUX.2-klein-base-9B                                  | pipeline     flux2-klein 9B base - - -
black-forest-labs/FLUX.2-klein-9b-kv                                    | pipeline     flux2-klein 9B distilled - - -
black-forest-labs/FLUX.2-klein-9b-fp8                                   | transformer  flux2-klein 9B distilled fp8 - -
black-forest-labs/FLUX.2-klein-9b-kv-fp8                                | transformer  flux2-klein 9B distilled fp8 - -
black-forest-labs/FLUX.2-klein-base-9b-fp8                              | transformer  flux2-klein 9B base fp8 - -
black-forest-labs/FLUX.2-klein-4b-nvfp4 | transformer  flux2-klein 4B distilled nvfp4 - -
unsloth/FLUX.2-klein-4B-GGUF                                            | transformer  flux2-klein 4B distilled gguf - -
Comfy-Org/flux2-klein-9B                                                | unknown      flux2-klein 9B distilled - - -
Comfy-Org/flux2-klein                                                   | unknown      flux2-klein - - - - -
FLUX.2-klein-4B                                                         | unknown      flux2-klein 4B distilled - - -
FLUX.2-klein-base-4B                                                    | unknown      flux2-klein 4B base - - -
flux2-klein-base-4b                                                     | unknown      flux2-klein 4B base - - -
klein-4b                                                                | unknown      flux2-klein 4B - - - -
klein_9b.safetensors                                                    | transformer  flux2-klein 9B - - - -
klein-base-9b                                                           | unknown      flux2-klein 9B base - - -
flux-2-klein-base-9b.safetensors                                        | transformer  flux2-klein 9B base - - -
flux-2-klein-base-4b.safetensors                                        | transformer  flux2-klein 4B base - - -
flux2-klein-base-4b.safetensors                                         | transformer  flux2-klein 4B base - - -
flux-2-klein-4b.safetensors                                             | transformer  flux2-klein 4B distilled - - -
flux-2-klein-9b.safetensors                                             | transformer  flux2-klein 9B distilled - - -
flux-2-klein-9b-fp8                                                     | unknown      flux2-klein 9B distilled fp8 - -
flux-2-klein-9b-fp8.safetensors                                         | transformer  flux2-klein 9B distilled fp8 - -
flux-2-klein-base-4b-fp8.safetensors                                    | transformer  flux2-klein 4B base fp8 - -
flux-2-klein-9b-Q4_K_M.gguf                                             | transformer  flux2-klein 9B distilled gguf - -
flux2Klein_9b.safetensors                                               | transformer  flux2-klein 9B distilled - - -
FLUX.2-klein-9b-base.safetensors                                        | transformer  flux2-klein 9B base - - -
flux2-klein-9b-undistilled.safetensors                                  | transformer  flux2-klein 9B - - - -
my_klein_9b_finetune_v3.safetensors                                     | transformer  flux2-klein 9B - - - -
flux2-klein-9b-v2.safetensors                                           | transformer  flux2-klein 9B - - - -
Flux2-Klein-9B-consistency-V2.safetensors                               | transformer  flux2-klein 9B - - - -
dx8152/Flux2-Klein-9B-Consistency                                       | pipeline     flux2-klein 9B - - - -
loras/my_klein_9b_lora.safetensors                                      | lora         flux2-klein 9B - - - -
/data/klein/outputs                                                     | unknown - - - - - -
/data/flux2-klein-4b/outputs                                            | unknown - - - - - -
/home/klein/models/model.safetensors                                    | unknown - - - - - -
/out/flux2-klein-4b/style-000004.safetensors                            | unknown - - - - - -
klein.safetensors                                                       | unknown - - - - - -
calvin_klein_style.safetensors                                          | unknown - - - - - -
C:\\AI\\models\\diffusion_models\\flux-2-klein-base-9b.safetensors      | transformer  flux2-klein 9B base - - -
D:/ComfyUI/models/unet/klein/flux-2-klein-4b.safetensors                | transformer  flux2-klein 4B distilled - - -
/models/FLUX.2-klein-base-4B/                                           | unknown      flux2-klein 4B base - - -
/models/FLUX.2-klein-base-4B/transformer/diffusion_pytorch_model.safetensors | transformer flux2-klein 4B base - - -
/models/FLUX.2-klein-base-4B/text_encoder                               | text_encoder flux2-klein 4B base - qwen3-4b -
/models/FLUX.2-klein-base-9B/text_encoder/model-00001-of-00004.safetensors | text_encoder flux2-klein 9B base - qwen3-8b -
/models/FLUX.2-klein-base-9B/vae/diffusion_pytorch_model.safetensors    | vae          flux2-klein 9B base - - flux2
/models/FLUX.2-klein-4B/model_index.json                                | pipeline     flux2-klein 4B distilled - - -
~/.cache/huggingface/hub/models--black-forest-labs--FLUX.2-klein-base-9B/snapshots/COMMIT | unknown flux2-klein 9B base - - -
HUBblack-forest-labs/FLUX.2-klein-4B                                    | pipeline     flux2-klein 4B distilled - - -
HUBblack-forest-labs/FLUX.2-klein-9B/resolve/main/flux-2-klein-9b.safetensors | transformer flux2-klein 9B distilled - - -
HUBComfy-Org/flux2-klein-9B/resolve/main/split_files/vae/flux2-vae.safetensors | vae - - - - - flux2
black-forest-labs/flux-3-image-klein-base                               | pipeline     flux3 - - - - -
black-forest-labs/FLUX.2-dev                                            | pipeline     flux2-dev - dev - - -
flux2-dev.safetensors                                                   | transformer  flux2-dev - dev - - -
flux2_dev_fp8mixed.safetensors                                          | transformer  flux2-dev - dev fp8mixed - -
flux2-vae.safetensors                                                   | vae - - - - - flux2
ai-toolkit/flux2_vae                                                    | vae - - - - - flux2
black-forest-labs/FLUX.2-small-decoder                                  | vae - - - - - flux2
ae.safetensors                                                          | vae - - - - - -
black-forest-labs/FLUX.2-dev/ae.safetensors                             | vae - - - - - flux2
black-forest-labs/FLUX.1-dev/ae.safetensors                             | vae - - - - - flux1
ComfyUI/models/vae/ae.safetensors                                       | vae - - - - - -
ComfyUI/models/vae/flux2/ae.safetensors                                 | vae - - - - - flux2
/models/flux/ae.sft                                                     | vae - - - - - -
flux_vae.safetensors                                                    | vae - - - - - -
flux1-ae.safetensors                                                    | vae - - - - - flux1
sdxl-vae-fp16-fix                                                       | vae - - - fp16 - sdxl
madebyollin/sdxl-vae-fp16-fix                                           | vae - - - fp16 - sdxl
sdxl_vae.safetensors                                                    | vae - - - - - sdxl
stabilityai/sd-vae-ft-mse                                               | vae - - - - - sd
vae-ft-mse-840000-ema-pruned.safetensors                                | vae - - - - - sd
mit-han-lab/dc-ae-f32c32-sana-1.0-diffusers                             | vae - - - - - dc-ae
wan_2.1_vae.safetensors                                                 | vae - - - - - -
qwen_image_vae.safetensors                                              | vae - - - - - -
qwen_3_8b.safetensors                                                   | text_encoder - - - - qwen3-8b -
qwen_3_4b.safetensors                                                   | text_encoder - - - - qwen3-4b -
qwen_3_8b_fp8mixed.safetensors                                          | text_encoder - - - fp8mixed qwen3-8b -
qwen_3_4b_fp8_mixed.safetensors                                         | text_encoder - - - fp8mixed qwen3-4b -
qwen_3_4b_fp4_flux2.safetensors                                         | text_encoder - - - fp4 qwen3-4b -
Qwen/Qwen3-8B                                                           | text_encoder - - - - qwen3-8b -
Qwen/Qwen3-8B-FP8                                                       | text_encoder - - - fp8 qwen3-8b -
Qwen/Qwen3-4B-Instruct-2507                                             | text_encoder - - instruct-2507 - qwen3-4b -
Qwen/Qwen3-4B-Base                                                      | text_encoder - - base - qwen3-4b -
qwen_3_06b_base.safetensors                                             | text_encoder - - base - qwen3-0.6b -
qwen3vl_8b_fp8_scaled.safetensors                                       | text_encoder - - - fp8_scaled qwen3-vl-8b -
qwen_2.5_vl_7b.safetensors                                              | text_encoder - - - - qwen2.5-vl-7b -
/models/Qwen3-8B/model-00001-of-00005.safetensors                       | text_encoder - - - - qwen3-8b -
mistral_3_small_flux2_fp8.safetensors                                   | text_encoder - - - fp8 mistral3 -
mistralai/Mistral-Small-3.2-24B-Instruct-2506                           | text_encoder - - - - mistral3 -
t5xxl_fp16.safetensors                                                  | text_encoder - - - fp16 t5-xxl -
t5xxl_fp8_e4m3fn_scaled.safetensors                                     | text_encoder - - - fp8_scaled t5-xxl -
google/t5-v1_1-xxl                                                      | text_encoder - - - - t5-xxl -
umt5-xxl-enc-bf16.safetensors                                           | text_encoder - - - bf16 umt5-xxl -
clip_l.safetensors                                                      | text_encoder - - - - clip-l -
openai/clip-vit-large-patch14                                           | text_encoder - - - - clip-l -
H:/ComfyUI2/models/clip/clip_g.safetensors                              | text_encoder - - - - clip-g -
gemma_2_2b_fp16.safetensors                                             | text_encoder - - - fp16 gemma2-2b -
google/gemma-2-2b-it                                                    | text_encoder - - - - gemma2-2b -
Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers                  | pipeline     sana 1.6B 1.0 bf16 - -
Efficient-Large-Model/Sana_600M_512px_diffusers                         | pipeline     sana 600M 1.0 - - -
Efficient-Large-Model/SANA1.5_4.8B_1024px_diffusers                     | pipeline     sana 4.8B 1.5 - - -
Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers                     | pipeline     sana 1.6B 1.5 - - -
Efficient-Large-Model/Sana_Sprint_0.6B_1024px_diffusers                 | pipeline     sana 600M sprint - - -
Efficient-Large-Model/Sana_Sprint_1.6B_1024px_diffusers                 | pipeline     sana 1.6B sprint - - -
Efficient-Large-Model/Sana_1600M_1024px                                 | transformer  sana 1.6B 1.0 - - -
Efficient-Large-Model/SANA-Video_2B_480p_diffusers                      | pipeline     sana-video - - - - -
terminusresearch/sana-1.6b-1024px                                       | unknown      sana 1.6B 1.0 - - -
Sana_1600M_1024px.pth                                                   | transformer  sana 1.6B 1.0 - - -
realism_v2-0_768.safetensors                                            | unknown - - - - - -
my_pony_photos.safetensors                                              | unknown - - - - - -
mit-han-lab/svdq-int4-flux.1-dev                                        | transformer  flux1 - dev int4 - -
sana_twice.safetensors                                                  | unknown - - - - - -
/data/sana/outputs                                                      | unknown - - - - - -
stabilityai/stable-diffusion-xl-base-1.0                                | pipeline     sdxl - base - - -
stabilityai/stable-diffusion-xl-refiner-1.0                             | pipeline     sdxl - refiner - - -
stabilityai/sdxl-turbo                                                  | pipeline     sdxl - turbo - - -
sd_xl_base_1.0.safetensors                                              | checkpoint   sdxl - base - - -
sd_xl_base_1.0_0.9vae.safetensors                                       | checkpoint   sdxl - base - - -
sd_xl_refiner_1.0.safetensors                                           | checkpoint   sdxl - refiner - - -
ponyDiffusionV6XL_v6StartWithThisOne.safetensors                        | checkpoint   sdxl - - - - -
AstraliteHeart/pony-diffusion-v6-xl                                     | pipeline     sdxl - - - - -
purplesmartai/pony-v7-base                                              | pipeline     auraflow - - - - -
Laxhar/noobai-XL-Vpred-1.0                                              | pipeline     sdxl - v-prediction - - -
noobaiXLNAIXL_vPred10Version.safetensors                                | checkpoint   sdxl - v-prediction - - -
noobaiXLNAIXL_epsilonPred11Version.safetensors                          | checkpoint   sdxl - - - - -
OnomaAIResearch/Illustrious-xl-early-release-v0                         | pipeline     sdxl - - - - -
waiNSFWIllustrious_v140.safetensors                                     | checkpoint   sdxl - - - - -
juggernautXL_v9Rundiffusionphoto2.safetensors                           | checkpoint   sdxl - - - - -
RunDiffusion/Juggernaut-XL-v9                                           | pipeline     sdxl - - - - -
juggernaut_reborn.safetensors                                           | checkpoint   sd15 - - - - -
RealVisXL_V5.0_fp16.safetensors                                         | checkpoint   sdxl - - fp16 - -
cagliostrolab/animagine-xl-4.0                                          | pipeline     sdxl - - - - -
zavychromaxl_v100.safetensors                                           | checkpoint   sdxl - - - - -
dreamshaperXL_lightningDPMSDE.safetensors                               | checkpoint   sdxl - lightning - - -
/models/juggernautXL_v9/unet/diffusion_pytorch_model.fp16.safetensors   | transformer  sdxl - - - - -
/models/sdxl-base/text_encoder_2/model.safetensors                      | text_encoder sdxl - base - clip-g -
sdxl_lightning_4step_lora.safetensors                                   | lora         sdxl - lightning - - -
xinsir/controlnet-union-sdxl-1.0                                        | unknown      sdxl - - - - -
runwayml/stable-diffusion-v1-5                                          | pipeline     sd15 - - - - -
stable-diffusion-v1-5/stable-diffusion-inpainting                       | pipeline     sd15 - inpaint - - -
v1-5-pruned-emaonly.safetensors                                         | checkpoint   sd15 - - - - -
Lykon/dreamshaper-8                                                     | pipeline     sd15 - - - - -
realisticVisionV60B1_v51VAE.safetensors                                 | checkpoint   sd15 - - - - -
stabilityai/stable-diffusion-2-1                                        | pipeline     sd2 - v-prediction - - -
stabilityai/stable-diffusion-2-1-base                                   | pipeline     sd2 - base - - -
v2-1_768-ema-pruned.ckpt                                                | checkpoint   sd2 - v-prediction - - -
stabilityai/stable-diffusion-3-medium-diffusers                         | pipeline     sd3 2B - - - -
E:/models/sd3/sd3_medium.safetensors                                    | checkpoint   sd3 2B - - - -
stabilityai/stable-diffusion-3.5-large                                  | pipeline     sd3 8B - - - -
sd3.5_large_turbo.safetensors                                           | checkpoint   sd3 8B turbo - - -
black-forest-labs/FLUX.1-dev                                            | pipeline     flux1 - dev - - -
black-forest-labs/FLUX.1-schnell                                        | pipeline     flux1 - schnell - - -
black-forest-labs/FLUX.1-Kontext-dev                                    | pipeline     flux1 - kontext - - -
black-forest-labs/FLUX.1-Krea-dev                                       | pipeline     flux1 - krea - - -
black-forest-labs/FLUX.1-Fill-dev                                       | pipeline     flux1 - fill - - -
flux1-dev.safetensors                                                   | transformer  flux1 - dev - - -
flux1-kontext-dev.safetensors                                           | transformer  flux1 - kontext - - -
flux1-dev-kontext_fp8_scaled.safetensors                                | transformer  flux1 - kontext fp8_scaled - -
flux1-dev-fp8.safetensors                                               | unknown      flux1 - dev fp8 - -
checkpoints/flux1-dev-fp8.safetensors                                   | checkpoint   flux1 - dev fp8 - -
flux1-dev-Q8_0.gguf                                                     | transformer  flux1 - dev gguf - -
ostris/OpenFLUX.1                                                       | pipeline     flux1 - dedistilled - - -
consolidated_s6700-schnell.safetensors                                  | transformer  flux1 - schnell - - -
/data2/imagegen_models/FLUX.1-dev                                       | unknown      flux1 - dev - - -
black-forest-labs/FLUX.1-dev/text_encoder_2                             | text_encoder flux1 - dev - t5-xxl -
lodestones/Chroma1-HD                                                   | pipeline     chroma - - - - -
chroma-unlocked-v10.safetensors                                         | transformer  chroma - - - - -
Qwen/Qwen-Image-Edit-2509                                               | pipeline     qwen-image - - - - -
Tongyi-MAI/Z-Image-Turbo                                                | pipeline     z-image - - - - -
ostris/Flex.1-alpha                                                     | pipeline     flex - - - - -
krea/Krea-2-Raw                                                         | pipeline     krea2 - - - - -
PixArt-alpha/PixArt-Sigma-XL-2-1024-MS                                  | pipeline     pixart - - - - -
Alpha-VLLM/Lumina-Image-2.0                                             | pipeline     lumina - - - - -
circlestone-labs/Anima-Base-v1.0-Diffusers                              | pipeline     anima - - - - -
wan2.2_t2v_low_noise_14B_fp16.safetensors                               | transformer  wan - - fp16 - -
/models/vae/model.safetensors                                           | vae - - - - - -
pytorch_lora_weights.safetensors                                        | lora - - - - - -
model.safetensors                                                       | unknown - - - - - -
put your model here                                                     | unknown - - - - - -
"""  # noqa: E501


def _cases() -> list[tuple[str, ModelName]]:
    cases = []
    for line in TABLE.strip().splitlines():
        name, fields = line.split("|")
        role, *rest = fields.split()
        cases.append(
            (
                name.strip().replace("HUB", HUB).replace("COMMIT", COMMIT),
                ModelName(role, *(None if f == "-" else f for f in rest)),
            )
        )
    return cases


@pytest.mark.parametrize(("name", "expected"), _cases(), ids=lambda v: v if isinstance(v, str) else "")
def test_name(name: str, expected: ModelName) -> None:
    assert identify_name(name) == expected


def test_the_table_is_long_enough_to_mean_something() -> None:
    assert len(_cases()) > 150
    assert {c[1].family for c in _cases()} >= set(FAMILIES)


@pytest.mark.parametrize(
    "text", ["", " ", "/", "\\", ".", "~", "..", "a//b", ".safetensors", "models--", "-", "\0", "C:"]
)
def test_no_name_is_no_model(text: str) -> None:
    assert identify_name(text).family is None


@pytest.mark.parametrize("quote", ['"{}"', "'{}'", " {} \n", "{}/", "./{}", "..\\{}"])
def test_packaging_of_the_text_does_not_matter(quote: str) -> None:
    found = identify_name(quote.format("flux-2-klein-base-9b.safetensors"))
    assert (found.family, found.size, found.variant) == ("flux2-klein", "9B", "base")


@given(st.text(max_size=80))
def test_any_text_is_answered(text: str) -> None:
    assert isinstance(identify_name(text), ModelName)


@given(st.sampled_from([c for c in _cases() if c[1].size]), st.sampled_from(["/mnt/x/", "E:\\x y\\", "../../"]))
def test_size_does_not_depend_on_the_folder(case: tuple[str, ModelName], folder: str) -> None:
    leaf = case[0].rstrip("/").split("/")[-1].split("\\")[-1]
    if identify_name(leaf).size:
        assert identify_name(folder + leaf).size == identify_name(leaf).size


def test_reading_names_starts_fast_and_alone() -> None:
    """Cold start of the lint: only re and typing besides its own modules, no facts, no tables."""
    code = (
        "import re, typing, sys, __future__, lora_doctor; before = set(sys.modules); import lora_doctor.models.names;"
        "print(*sorted(set(sys.modules) - before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert out == ["lora_doctor.models", "lora_doctor.models.names", "lora_doctor.models.vocabulary"]
