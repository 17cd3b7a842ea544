"""The words of model names: patterns over a normalised name (`names.normalised`: lower case, dashes only).

Order matters: the first hit wins. Patterns are strings, compiled by `re` when first used. Names come from the hub
repositories and release files of Black Forest Labs, Stability AI, NVIDIA, Comfy-Org and of widely used fine-tunes.
"""

from __future__ import annotations

Table = tuple[tuple[str, str], ...]

PRECISIONS: Table = (
    (r"-nvfp4|-fp4-mixed-", "nvfp4"),
    (r"-mxfp8", "mxfp8"),
    (r"fp8-?mixed-", "fp8mixed"),
    (r"fp8(-e\dm\d(fn)?)?-scaled-", "fp8_scaled"),
    (r"fp8-|float8|-f8-|-e4m3|-e5m2|fp8e4m3", "fp8"),
    (r"-gguf-|-q[2-8]-(k|0|1)-", "gguf"),
    (r"-nf4|-bnb-4bit-", "nf4"),
    (r"-int8|-w8a8-", "int8"),
    (r"-int4|-svdq-", "int4"),
    (r"-fp4-", "fp4"),
    (r"-bf16|bfloat16", "bf16"),
    (r"-fp16-|-float16-|-half-", "fp16"),
    (r"-fp32-|-float32-", "fp32"),
)

LORA = r"-(lora|locon|lokr|loha|lycoris)s?-|[a-z0-9]lora-"
LORA_FILES = frozenset({"pytorch_lora_weights", "adapter_model"})

VAE = r"-(?<!no-)vae-|^-ae-$|-flux-?[12]-ae-|-dc-ae-|-tae(sd|sdxl|f1|f2)-|-autoencoder-?kl|-small-decoder-|-kl-f8-"
BAKED_VAE = r"-(baked|bake|no|with|without|incl|including)-vae-|-vae-(included|baked|inside|embedded)-"
VAES: Table = (
    (r"flux-?2|-taef2-", "flux2"),
    (r"flux-?1|-taef1-", "flux1"),
    (r"-dc-ae-|-sana-", "dc-ae"),
    (r"sdxl|-sd-?xl-|-xl-", "sdxl"),
    (r"-sd-?3", "sd3"),
    (r"-vae-ft-|-sd-vae-|-sd-?v?1-?5-|-taesd-|-kl-f8-", "sd"),
)

ENCODERS: Table = (
    (r"-qwen-?3-?vl-?2b-", "qwen3-vl-2b"),
    (r"-qwen-?3-?vl-?4b-", "qwen3-vl-4b"),
    (r"-qwen-?3-?vl-?8b-", "qwen3-vl-8b"),
    (r"-qwen-?2-5-vl-7b-", "qwen2.5-vl-7b"),
    (r"-qwen-?3-0-?6b-", "qwen3-0.6b"),
    (r"-qwen-?3-1-?7b-", "qwen3-1.7b"),
    (r"-qwen-?3-4b-", "qwen3-4b"),
    (r"-qwen-?3-8b-", "qwen3-8b"),
    (r"-qwen-?3-14b-", "qwen3-14b"),
    (r"-mistral-?3-small-|-mistral-small-3-", "mistral3"),
    (r"-umt5-?xxl-", "umt5-xxl"),
    (r"-t5-?(v1-?1-)?xxl-", "t5-xxl"),
    (r"-clip-?g-|-bigg-14-", "clip-g"),
    (r"-clip-?l-|-clip-vit-large-patch14-|-vit-l-14-", "clip-l"),
    (r"-clip-?h-|-vit-h-14-", "clip-h"),
    (r"-gemma-?2-2b-", "gemma2-2b"),
)
ENCODER_EDITIONS: Table = (
    (r"-instruct-2507-", "instruct-2507"),
    (r"-thinking-2507-", "thinking-2507"),
    (r"-qwen-?3-[\d-]+b-base-", "base"),
)

# Fine-tunes that carry no "sdxl" in their name; each has releases on SDXL only, or an XL mark that says so.
_SDXL_TUNES = (
    r"-pony-?diffusion-?v6|-pony-?v6|-pony-?xl|[a-z]pony-|-autismmix|-noobai|-noob-?xl|-illustrious|-animagine-?xl|"
    r"-juggernaut-?xl|-realvis-?xl|-dreamshaper-?xl|-zavychroma-?xl|-albedobase-?xl|-copax-?timeless-?xl|-bigasp|"
    r"-cyberrealistic-?(xl|pony)|-epicrealism-?xl|-wai-(nsfw|ani|illustrious)|-wai(nsfw|ani)|-hassaku-?xl|-prefect-?pony-?xl|"
    r"-nova-?anime-?xl|-leosams?-helloworld-?xl|-helloworld-?xl|-protovision-?xl|-dynavision-?xl|-crystalclear-?xl|"
    r"-lustify|-sdxl"
)
_SD15_TUNES = (
    r"-dreamshaper-[5-8]|-realistic-?vision-?v?[1-6]|-anything-?v[345]|-deliberate-?v|-chilloutmix|-meinamix|"
    r"-counterfeit-?v|-anylora-|-juggernaut-(reborn|final|aftermath)|-absolutereality|-epicphotogasm|-revanimated"
)

FAMILIES: Table = (
    (r"-flux-?3-", "flux3"),
    (r"-qwen-image-", "qwen-image"),
    (r"-z-?image-", "z-image"),
    (r"-chroma(1|-unlocked|-v\d|-radiance|-hd|-base)*-", "chroma"),
    (r"-wan-?2|-wan21|-wan22", "wan"),
    (r"-hunyuan", "hunyuan"),
    (r"-ltx-?", "ltx"),
    (r"-lumina-?", "lumina"),
    (r"-hidream-", "hidream"),
    (r"-aura-?flow-|-pony-?v?7-", "auraflow"),
    (r"-pixart-", "pixart"),
    (r"-kolors-", "kolors"),
    (r"-cosmos-", "cosmos"),
    (r"-omnigen2?-", "omnigen"),
    (r"-anima-", "anima"),
    (r"-krea-?2-", "krea2"),
    (r"-ideogram", "ideogram"),
    (r"-ernie-image-", "ernie-image"),
    (r"-longcat-", "longcat"),
    (r"-flex-?[12]-", "flex"),
    (r"-ssd-1b-|-segmind-vega-", "ssd-1b"),
    (r"-playground-v", "playground"),
    (r"-wuerstchen-|-stable-cascade-", "cascade"),
    (r"-stable-video-|-svd-", "svd"),
    (r"-sana-?video-", "sana-video"),
    (r"-flux-?2-?klein-?(base-?)?((4|9)b-?)?(?=-)|-klein-?(base-?)?(4|9)b(?=-)", "flux2-klein"),
    (r"-flux-?2-?dev(?=-)", "flux2-dev"),
    (r"-flux-?1-?(dev|schnell|kontext|krea|fill|canny|depth|redux|lite)\w*(?=-)", "flux1"),
    (r"-flux-?(dev|schnell|kontext|krea|fill)(?=-)", "flux1"),
    (r"-(open)?flux1(?=-)|-flux1[a-z]|-schnell(?=-)", "flux1"),
    (r"-sana(?=-).*?-(600m|0-6b|1600m|1-6b|4800m|4-8b|sprint)(?=-)|-sana-?1-5(?=-)", "sana"),
    (_SDXL_TUNES, "sdxl"),
    (r"sdxl|-sd-?xl(?=-)|-stable-diffusion-xl(?=-)", "sdxl"),
    (r"-stable-diffusion-3(?!\d)|-sd-?3(-5)?(?=-)|-sd3-?5", "sd3"),
    (r"-stable-diffusion-v?2(?!\d)|-sd-?v?2(-[01])?(?=-)|-sd2[01](?=-)", "sd2"),
    (r"^-v2-[01]-(512|768)|-(512-base|768-v)-ema(?=-)", "sd2"),
    (r"-stable-diffusion-(v?1-|inpainting)|-sd-?v?1-?[45](?=-)|-sd-?1-x(?=-)|-v1-[45]-(pruned|ema)|-v1-[45]-", "sd15"),
    (_SD15_TUNES, "sd15"),
)

SIZES: dict[str, Table] = {
    "flux2-klein": ((r"klein-?(base-?)?4b|-4b-", "4B"), (r"klein-?(base-?)?9b|-9b-", "9B")),
    "sana": ((r"-600m-|-0-6b-", "600M"), (r"-1600m-|-1-6b-", "1.6B"), (r"-4800m-|-4-8b-", "4.8B")),
    "sd3": ((r"3-?5-large", "8B"), (r"3-?5-medium", "2.5B"), (r"3-medium", "2B")),
}

# "?" says: do not conclude anything from this name.
VARIANTS: dict[str, Table] = {
    "flux2-klein": (
        (r"-(un|de-?)distill", "?"),
        (r"klein-?base|-9b-base-|-4b-base-|-base-[49]b-", "base"),
        (r"-distill(ed)?-", "distilled"),
    ),
    "flux2-dev": ((r"-turbo-", "turbo"), (r"", "dev")),
    "flux1": (
        (r"-(un|de-?)distill|-openflux|-dedistilled", "dedistilled"),
        (r"kontext", "kontext"),
        (r"-krea-|-flux-?1-?krea", "krea"),
        (r"-fill-|-flux-?1-?fill", "fill"),
        (r"-canny-", "canny"),
        (r"-depth-", "depth"),
        (r"-redux-", "redux"),
        (r"-lite-", "lite"),
        (r"schnell", "schnell"),
        (r"-flux-?(1-?)?dev", "dev"),
    ),
    "sana": ((r"-sprint-", "sprint"), (r"-sana-?1-5-", "1.5"), (r"", "1.0")),
    "sdxl": (
        (r"-v-?pred|-v-prediction-", "v-prediction"),
        (r"-rectified-?flow|-noob-rf-", "rectified-flow"),
        (r"-refiner-", "refiner"),
        (r"turbo-", "turbo"),
        (r"lightning-?(\d-?steps?)?", "lightning"),
        (r"hyper-|-hyper", "hyper"),
        (r"-lcm-", "lcm"),
        (r"-dmd2?-", "dmd"),
        (r"-inpaint", "inpaint"),
        (r"-(stable-diffusion-xl|sd-?xl)-base-", "base"),
    ),
    "sd15": ((r"-v-?pred-", "v-prediction"), (r"-inpaint", "inpaint"), (r"-lcm-", "lcm")),
    "sd2": (
        (r"-inpaint", "inpaint"),
        (r"-depth-", "depth"),
        (r"-base-|-512-", "base"),
        (r"-turbo-", "turbo"),
        (r"-stable-diffusion-v?2|-768-", "v-prediction"),
    ),
    "sd3": ((r"-turbo-", "turbo"),),
}

# Words that say how a model is packed, not what was done to it. The caller doubles the dashes first.
PACKAGING = (
    r"-(bf16|fp16|fp32|fp8|fp8mixed|nvfp4|mxfp8|int8|int4|nf4|gguf|bnb|4bit|8bit|scaled|mixed|e4m3fn|e5m2|"
    r"q[2-8](--[k01])?(--(s|m|l|xs|xl))?|"
    r"kv|comfyui|comfy|diffusers|transformer|transformers|unet|model|original|official|safetensors|pruned|ema|emaonly|ud|sdnq|"
    r"\d+px|[24]kpx|base|refiner|multiling|org|hf|quanto|torchao|orig)(?=-)"
)

# A controlnet, an upscaler: beside a model, not one.
NOT_A_MODEL = r"-(controlnet|control-net|ip-?adapter|t2i-adapter|upscaler|embedding|textual-inversion)"
# Both Comfy-Org (a whole checkpoint) and others (the transformer alone) publish files under these names.
AMBIGUOUS_FILES = r"^-flux1-(dev|schnell)-fp8-$"
CHECKPOINT_FAMILIES = frozenset({"sdxl", "sd15", "sd2", "sd3", "ssd-1b", "playground"})

# First component of a relative path that is no hub organisation.
LOCAL_FOLDERS = frozenset({
    "models", "model", "data", "output", "outputs", "out", "checkpoints", "ckpts", "ckpt", "weights", "loras", "runs",
    "vae", "unet", "transformer", "text_encoders", "text_encoder", "diffusion_models", "clip", "input", "workspace",
    "pretrained", "pretrained_models", "base_models", "path", "..", "comfyui", "cache", "training",
    "datasets", "dataset",
})  # fmt: skip
COMPONENT_ROLES = {
    "transformer": "transformer", "unet": "transformer", "vae": "vae", "text_encoder": "text_encoder",
    "text_encoder_2": "text_encoder", "text_encoder_3": "text_encoder",
}  # fmt: skip
FOLDER_ROLES = {
    "checkpoints": "checkpoint", "stable-diffusion": "checkpoint", "diffusion_models": "transformer",
    "unet": "transformer", "transformer": "transformer", "text_encoders": "text_encoder",
    "text_encoder": "text_encoder", "clip": "text_encoder", "vae": "vae", "loras": "lora", "lora": "lora",
}  # fmt: skip
GENERIC = frozenset({
    "diffusion_pytorch_model", "model", "pytorch_model", "consolidated", "transformer", "unet", "vae", "text_encoder",
    "text_encoder_2", "text_encoder_3", "tokenizer", "tokenizer_2", "scheduler", "config", "model_index", "snapshots",
    "pytorch_lora_weights", "adapter_model", "original", "split_files", "resolve", "main", "checkpoints",
    "diffusion_pytorch_model.fp16", "diffusion_pytorch_model.bf16", "model.fp16", "model.bf16",
    "diffusion_pytorch_model.safetensors", "model.safetensors",
})  # fmt: skip
# a shard of a sharded file; a commit of the hub's cache
GENERIC_PATTERN = r"(diffusion_pytorch_model|model|pytorch_model)(\.\w+)?-\d{5}-of-\d{5}|[0-9a-f]{40}"
