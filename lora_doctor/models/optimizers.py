"""Optimisers by the names diffusion-pipe knows them: what is built in, what a library has, what each one takes.

Source: tdrussell/diffusion-pipe@8f83dbf train.py:652-800 and optimizers/; torch 2.9; bitsandbytes 0.49 and 0.50;
torch-optimi 0.3.3; pytorch_optimizer 4.1.0 (`__all__` of its optimizer package).
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Read in any case; every other name is looked up in pytorch_optimizer, where case counts.
BUILT_IN = _words("adamw adamw8bit adamw8bitkahan adamw_optimi stableadamw sgd offload automagic genericoptim")
CLASSES = _words("""
    A2Grad ADOPT APOLLO ASGD AccSGD AdEMAMix AdaBelief AdaBound AdaDelta AdaFactor AdaGC AdaGO AdaHessian AdaLOMO
    AdaMax AdaMod AdaMuon AdaNorm AdaPNM AdaShift AdaSmooth AdaTAM Adai Adalite Adam AdamC AdamG AdamMini AdamP AdamS
    AdamW AdamWSN Adan AggMo Aida AliG Alice Amos Ano ApolloDQN AvaGrad BCOS BSAM CAME Conda DASH DAdaptAdaGrad
    DAdaptAdam DAdaptAdan DAdaptLion DAdaptSGD DeMo DiffGrad DistributedMuon DualAdam EXAdam EmoFact EmoLynx EmoNavi
    FAdam FOCUS FTRL Fira FlashAdamW FriendlySAM Fromage GSAM GaLore Grams Gravity GrokFastAdamW Kate Kron LARS LBFGS
    LOMO LaProp Lamb Lion LoRARite LookSAM Lookahead MADGRAD MARS MSVAG Magma Muon MuonClip NAdam Nero NorMuon NovoGrad
    OrthoGrad PAdam PCGrad PID PNM Prodigy QHAdam QHM RACS RAdam RMSprop ROSE Ranger Ranger21 RotoGrad SAM SCION
    SCIONLight SGD SGDP SGDSaI SGDW SM3 SOAP SPAM SPlus SRMM SWATS SaRA ScalableShampoo ScheduleFreeAdamW
    ScheduleFreeRAdam ScheduleFreeSGD ScheduleFreeWrapper Shampoo SignSGD SimplifiedAdEMAMix SophiaH SpectralSphere
    StableAdamW StableSPAM TAM TRAC Tiger VSGD WSAM Yogi
    """)

_ADAM = _words("lr betas eps weight_decay")
_TORCH = _ADAM | _words("amsgrad maximize foreach capturable differentiable fused")
_BITS = _ADAM | _words("amsgrad optim_bits args min_8bit_size percentile_clipping block_wise is_paged")
_OPTIMI = _ADAM | _words("decouple_lr max_lr kahan_sum foreach triton gradient_release")
# Constructor arguments of the built-in ones, any version's; what is not among them is a TypeError. `offload` takes all.
ARGUMENTS = {
    "adamw": _TORCH,
    "adamw8bit": _BITS,
    "adamw8bitkahan": _BITS | {"stabilize"},
    "adamw_optimi": _OPTIMI,
    "stableadamw": _OPTIMI,
    "sgd": _words("lr momentum dampening weight_decay nesterov maximize foreach differentiable fused"),
    "automagic": _words(
        """lr min_lr max_lr lr_bump eps clip_threshold beta2 weight_decay do_paramiter_swapping
        paramiter_swapping_factor"""
    ),
    "genericoptim": _ADAM
    | _words(
        """correct_bias momentum_type second_moment_type correct_dim cpu_offload kahan_buffer_offload muon adamuon
        normuon polar_express compile automagic min_lr max_lr lr_bump lr_decrease_factor skip_invalid_grads mpu rank
        proj_type update_proj_gap"""
    ),
}
# What pytorch_optimizer's Prodigy takes; it swallows everything else without a word.
PRODIGY = _words(
    """lr betas beta3 d0 d_coef growth_rate weight_decay weight_decouple fixed_decay bias_correction safeguard_warmup
    eps maximize foreach"""
)

# What each takes where the config gives none. optimi has no default rate and stops.
RATES = {
    "adamw": 1e-3,
    "adamw8bit": 1e-3,
    "adamw8bitkahan": 1e-3,
    "sgd": 1e-3,
    "offload": 1e-3,
    "genericoptim": 1e-3,
    "automagic": 1e-6,
    "prodigy": 1.0,
}
DECAYS = {
    "adamw": 0.01,
    "adamw8bit": 0.01,
    "adamw8bitkahan": 0.01,
    "adamw_optimi": 0.01,
    "stableadamw": 0.01,
    "offload": 0.01,
    "sgd": 0.0,
    "genericoptim": 0.0,
    "automagic": 0.0,
    "prodigy": 0.0,
}
