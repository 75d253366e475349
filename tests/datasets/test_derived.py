"""The record of a derived folder comes with the folder, from anybody: names in it stay inside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.derived import DerivedRecord
from drpose_ray.diffusion.encoded.latents_store import MARKER, open_latents
from drpose_ray.diffusion.encoded.sample_file import read_samples

OUTSIDE = ["../x.safetensors", "/etc/passwd", "a/b.safetensors", "..", ".", "", ".hidden", "a\n", "a\0b", "a" * 300]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_leads_out_of_the_folder_is_none(name: str, tmp_path: Path) -> None:
    values = {"dataset_sha256": "0" * 64, "samples": 1, "files": [name]}
    with pytest.raises(ValueError, match="files"):
        DerivedRecord.model_validate_json(json.dumps(values))
    folder = tmp_path / "latents"
    folder.mkdir()
    more = {"vae_sha256": "0" * 64, "image_size": 64, "num_slots": 6}
    (folder / MARKER).write_text(json.dumps({**values, **more}))
    (tmp_path / "x.safetensors").write_bytes(b"none of its business")
    with pytest.raises(InputError, match="no finished latents"):
        open_latents(folder)


@pytest.mark.parametrize("name", ["../x.safetensors", "/x.safetensors", ".x"])
def test_a_file_of_samples_outside_its_folder_is_not_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outside the folder"):
        read_samples(tmp_path, name, {}, "make it again")
