"""SimpleTuner's adapter: PEFT with the options of the run, or LyCORIS with a file of its own.

With `lora_type: lycoris` the LyCORIS file rules and `lora_rank`, `lora_alpha` and `lora_dropout` are not read.
Source: helpers/training/trainer.py (init_trainable_peft_adapter), helpers/models/common.py (add_lora_adapter),
bghira/SimpleTuner@bc8e6ab; KohakuBlueleaf/LyCORIS lycoris/modules/lokr.py.
"""

from __future__ import annotations

import json
from typing import Any

from lora_doctor.dialects.simpletuner_settings import KEYS, number, text, whole
from lora_doctor.dialects.structured import structured_config
from lora_doctor.plan import Network
from lora_doctor.setting import Config, key_table
from lora_doctor.source.document import Document

KINDS = {"lora": "locon", "diag-oft": "oft", "boft": "oft"}
PLAIN = ("lora", "locon", "loha", "tlora")  # scaled by alpha / rank, whatever the rank
FULL_RANK = 10_000  # the customary `linear_dim` that asks LoKr for a full second matrix
SMALL_RANK = 16  # below every bound at which LoKr takes the full matrix by itself (narrowest model: 1152 channels)


def lycoris_settings(document: Document) -> Config:
    """A LyCORIS file; what is not named here goes to the algorithm as a keyword."""
    config = structured_config(document, key_table(KEYS, "lycoris"))
    config.lenient = True
    return config


def network(run: Config, lycoris: Config | None) -> Network:
    """The adapter of a run."""
    if run.get("model_type").value == "full":
        return Network(kind=run.get("model_type"))
    if run.get("lora_type").value == "lycoris":
        return lycoris_network(lycoris)._replace(weights=run.get("init_lora").map(text)) if lycoris else Network()
    rank, alpha = run.get("lora_rank"), run.get("lora_alpha", run.get("lora_rank").value)
    dora = run.get("use_dora").value is True and "quanto" not in str(run.get("base_model_precision").value)
    plain = run.get("peft_lora_mode").value in (None, "standard") and not run.get("init_lora").value
    return Network(
        kind=run.get("use_dora").map(lambda _: "dora") if dora else run.get("lora_type").map(lambda _: "lora"),
        rank=rank.map(whole),
        alpha=alpha.map(number),
        scale=_ratio(alpha.value, rank.value) if plain else None,
        dropout=run.get("lora_dropout").map(number),
        targets=run.get("peft_lora_target_modules").map(_names),
        weights=run.get("init_lora").map(text),
    )


def lycoris_network(config: Config) -> Network:
    """The adapter a LyCORIS file describes; dim and alpha are cut to whole numbers."""
    algorithm = config.get("algo").map(lambda name: str(name).lower())
    dim, alpha = config.get("linear_dim").map(whole), config.get("linear_alpha").map(number)
    rank = dim.value
    full = config.get("full_matrix").value is True or (rank is not None and rank >= FULL_RANK)
    scale = None
    if algorithm.value == "lokr" and full:
        scale = 1.0  # both factors are full matrices: alpha is set to the rank
    elif algorithm.value in PLAIN or (algorithm.value == "lokr" and rank is not None and rank <= SMALL_RANK):
        whole_alpha = int(alpha.value) if alpha.value is not None else None
        scale = _ratio(whole_alpha or rank, rank)  # alpha 0 means the rank
    targets = config.get("apply_preset.target_module")
    return Network(
        kind=algorithm.map(lambda name: KINDS.get(name, name)),
        rank=dim.map(lambda value: None if full else value),
        alpha=alpha,
        scale=scale,
        conv_rank=config.get("conv_dim").map(whole),
        conv_alpha=config.get("conv_alpha").map(number),
        targets=targets.map(lambda names: ", ".join(map(str, names)) if isinstance(names, list) else None),
        target_style="preset",  # classes of modules, which the module tables don't know
    )


def _ratio(alpha: Any, rank: Any) -> float | None:
    above, below = number(alpha), number(rank)
    return above / below if above is not None and below else None


def _names(value: Any) -> list[str] | None:
    """Target modules: a list, or a JSON list in a string; a path is not followed."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else None
