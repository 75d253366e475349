"""A training of the predictor on disk: one safetensors file, nothing unpickled, refused under other settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from drpose_ray.errors import InputError, is_no_space, no_space
from drpose_ray.origin import as_json, refuse_another
from drpose_ray.publish import replace_when_complete
from drpose_ray.reward.fit_predictor import PredictorFit


def save_checkpoint(path: Path, fit: PredictorFit, origin: Mapping[str, Any]) -> None:
    """Publish the state of ``fit``; ``origin`` is what its weights depend on, by dotted name.

    Raises InputError if the disk is full.
    """
    tensors, numbers = fit.state()
    try:
        with replace_when_complete(path) as temporary:
            save_file(
                {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
                temporary,
                metadata={"numbers": json.dumps(numbers), "origin": json.dumps(dict(origin))},
            )
    except (OSError, SafetensorError) as error:
        if not is_no_space(error):
            raise
        raise no_space(path.parent, error) from error


def check_origin(path: Path, origin: Mapping[str, Any]) -> None:
    """Raise InputError if there is a checkpoint of a training that would have gone elsewhere."""
    if not path.exists():
        return
    refuse_another(json.loads(_metadata(path)["origin"]), as_json(origin), file=path, noun="checkpoint")


def updates_done(path: Path) -> int:
    """How far a checkpoint has come; 0 if there is none."""
    return int(json.loads(_metadata(path)["numbers"])["updates_done"]) if path.exists() else 0


def restore_checkpoint(path: Path, fit: PredictorFit, origin: Mapping[str, Any]) -> None:
    """Let ``fit`` go on where a checkpoint, if there is one, left off. Raises InputError as ``check_origin`` does."""
    if not path.exists():
        return
    check_origin(path, origin)
    with safe_open(path, framework="pt") as stored:
        tensors = {name: stored.get_tensor(name).clone() for name in stored.keys()}  # noqa: SIM118 - not a mapping
    fit.restore(tensors, json.loads(_metadata(path)["numbers"]))


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safe_open(path, framework="pt") as stored:
            metadata: dict[str, str] = stored.metadata()
        return {name: metadata[name] for name in ("numbers", "origin")}
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise InputError(
            f"not a checkpoint of this job ({type(error).__name__})", file=path, remedy="delete it to begin again"
        ) from error
