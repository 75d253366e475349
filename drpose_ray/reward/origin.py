"""What a reward depends on, by content: its distance, its predictors, and a user's own function."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drpose_ray.core.runs.origin import FileHashes
from drpose_ray.reward.config import DistanceConfig, RewardTermConfig
from drpose_ray.reward.user_reward import import_reward


def distance_origin(distance: DistanceConfig, hashes: FileHashes) -> dict[str, Any]:
    """The distance of Eq. 1. What only the perceptual term reads counts only where that term does."""
    fields = distance.model_dump(mode="json")
    if not distance.perceptual_weight:
        return {name: fields[name] for name in ("bce_weight", "perceptual_weight")}
    if distance.backbone_weights is not None:
        fields["backbone_weights"] = hashes.of_file(distance.backbone_weights, "distance.backbone_weights")
    return fields


def reward_origin(
    terms: Sequence[RewardTermConfig], predictor: Path, distance: DistanceConfig, hashes: FileHashes
) -> dict[str, Any]:
    """A whole reward: ``terms``, or without any PoseScore with ``predictor``.

    Of a user's function the file that defines it counts; what that imports cannot be followed.
    """
    origin: dict[str, Any] = {}
    if not terms or any(term.function is None and not term.predictors for term in terms):
        origin["finetune.reward.predictor"] = hashes.of_file(predictor, "finetune.reward.predictor")
    if not terms or any(term.function is None for term in terms):
        of_distance = distance_origin(distance, hashes)
        origin |= {f"distance.{name}": value for name, value in of_distance.items()}
    for term in terms:
        fields = term.model_dump(mode="json", exclude={"name", "predictors"})
        fields["predictors"] = [
            hashes.of_file(path, f"finetune.reward.terms ({term.name})") for path in term.predictors
        ]
        if term.function is not None:
            fields["source"] = _source(term.function, hashes)
        origin |= {f"finetune.reward.terms.{term.name}.{name}": value for name, value in fields.items()}
    return origin


def _source(function: str, hashes: FileHashes) -> str | None:
    """Hash of the file of a user's function, None if it has none."""
    reward = import_reward(function)
    try:
        file = inspect.getsourcefile(reward if inspect.isroutine(reward) or inspect.isclass(reward) else type(reward))
    except TypeError:
        return None
    return hashes.of_file(Path(file), "finetune.reward.terms") if file else None
