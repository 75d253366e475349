"""``unet/config.json`` of the published models: full size as in ``configs/architectures``, and tiny, for running."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).resolve().parents[2] / "configs" / "architectures"


def _read(name: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads((_FOLDER / name / "unet" / "config.json").read_text())
    return fields


PSHUMAN_FULL, ERA3D_FULL = _read("pshuman"), _read("era3d")
ERA3D_ORTHO_FULL = {**ERA3D_FULL, "regress_elevation": False, "regress_focal_length": False}

_TINY = {
    "attention_head_dim": [2, 3, 4, 4], "block_out_channels": [32, 48, 64, 64], "cross_attention_dim": 40,
    "layers_per_block": 1, "norm_num_groups": 8, "projection_class_embeddings_input_dim": 36,
}  # fmt: skip
PSHUMAN_TINY = {**PSHUMAN_FULL, **_TINY, "sample_size": 24}
ERA3D_TINY = {**ERA3D_FULL, **_TINY, "sample_size": 16, "num_regress_blocks": 1, "regressor_width": 32}
