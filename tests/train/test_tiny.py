"""The tiny pipelines are what diffusers reads, and each family finds itself in its folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lora_doctor.source.document import SourceError
from lora_doctor.train.families import family_of, micro_of


def test_a_folder_says_its_family(klein_folder: Path, sana_folder: Path, sdxl_folder: Path) -> None:
    assert [family_of(f).ID for f in (klein_folder, sana_folder, sdxl_folder)] == ["flux2-klein", "sana", "sdxl"]
    assert micro_of(klein_folder)["text_encoder_out_layers"] == [1, 2, 3]
    assert micro_of(sdxl_folder) == {}


def test_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no model"):
        family_of(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(SourceError, match=r"is flux1; lora-doctor trains FLUX\.2 Klein, SANA and SDXL"):
        family_of(tmp_path)
