# placeholder until the real module is written here: overwrite this file
from typing import NamedTuple
from .names import identify_name
class ModelIdentity(NamedTuple):
    role: str = "unknown"
    family: str | None = None
    size: str | None = None
    variant: str | None = None
    precision: str | None = None
    encoder: str | None = None
    vae: str | None = None
    evidence: str = ""
    certainty: str = "unknown"
def identify(text: str) -> ModelIdentity:
    return ModelIdentity(*identify_name(text))
