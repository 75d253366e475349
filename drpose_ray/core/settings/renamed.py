"""Settings that earlier versions knew under other names: a preset or flag that has one is refused with the new one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.dotted import flatten, is_within

RENAMED: Final = {
    "finetune.base": "finetune.model.base",
    "finetune.text_embeddings": "finetune.model.text_embeddings",
    "finetune.trained": "finetune.model.lora_rank",
    "finetune.lora_rank": "finetune.model.lora_rank",
    "finetune.precision": "finetune.model.precision",
    "finetune.predictor": "finetune.reward.predictor",
    "finetune.rewards": "finetune.reward.terms",
    "finetune.remote_reward": "finetune.reward.actor_gpus",
    "finetune.gpus_per_reward_actor": "finetune.reward.actor_gpus",
    "finetune.dataset": "finetune.data.dataset",
    "finetune.corrupted_shards": "finetune.data.corrupted",
    "finetune.conditions": "finetune.data.conditions",
    "finetune.shard_cache": "finetune.data.cache.folder",
    "finetune.shard_cache_gib": "finetune.data.cache.gib",
    "finetune.num_sampling_steps": "finetune.algorithm.num_sampling_steps",
    "finetune.num_train_steps": "finetune.algorithm.num_train_steps",
    "finetune.max_early_stop": "finetune.algorithm.max_early_stop",
    "finetune.plan_variant": "finetune.algorithm.plan",
    "finetune.stops_per_rollout": "finetune.algorithm.stops_per_rollout",
    "finetune.eta": "finetune.algorithm.eta",
    "finetune.kl_weight": "finetune.algorithm.kl_weight",
    "finetune.num_iterations": "finetune.optimizer.num_iterations",
    "finetune.batch_size": "finetune.optimizer.batch_size",
    "finetune.gradient_accumulation": "finetune.optimizer.gradient_accumulation",
    "finetune.learning_rate": "finetune.optimizer.learning_rate",
    "finetune.learning_rate_schedule": "finetune.optimizer.schedule",
    "finetune.warmup_iterations": "finetune.optimizer.warmup_iterations",
    "finetune.betas": "finetune.optimizer.betas",
    "finetune.weight_decay": "finetune.optimizer.weight_decay",
    "finetune.max_grad_norm": "finetune.optimizer.max_grad_norm",
    "finetune.spike_factor": "finetune.optimizer.spike_factor",
    "finetune.rollout_actors": "finetune.rollout.actors.num",
    "finetune.gpus_per_rollout_actor": "finetune.rollout.actors.gpus",
    "finetune.rollout_staleness": "finetune.rollout.actors.staleness",
    "finetune.compile_rollout": "finetune.rollout.compile",
    "finetune.num_workers": "finetune.parallel.num_workers",
    "finetune.zero_stage": "finetune.parallel.zero_stage",
    "finetune.offload_optimizer": "finetune.parallel.offload",
    "finetune.offload_parameters": "finetune.parallel.offload",
    "finetune.reference": "finetune.parallel.reference",
    "finetune.block_checkpointing": "finetune.parallel.block_checkpointing",
    "finetune.objects_per_replay": "finetune.parallel.objects_per_replay",
    "finetune.held_out": "finetune.held_out.dataset",
    "finetune.num_held_out": "finetune.held_out.num",
    "finetune.held_out_every": "finetune.held_out.every",
    "finetune.checkpoint_every": "finetune.checkpoint.every",
    "finetune.max_worker_failures": "finetune.checkpoint.max_worker_failures",
    "finetune.export_precision": "finetune.export.precision",
    "finetune.ema_decay": "finetune.export.ema_decay",
    "poses.num_dance_clips": "poses.dance.num_clips",
    "poses.dance_seconds": "poses.dance.seconds",
    "poses.core_set_picks": "poses.core_set.picks",
    "poses.core_set_parts": "poses.core_set.parts",
    "synthesis.mimo.colour_table": "synthesis.mimo.color_table",
    "reward.distance": "distance",
    "base.vae.num_updates": "base.vae.updates",
    "base.unet.num_updates": "base.unet.updates",
}
"""Old dotted name -> new one, of settings and of whole sections."""

_TOLD: Final = 20
"""How many a refusal names: a preset has fewer, a run's record all that there are."""


def refuse_renamed(values: Mapping[str, Any], file: Path | str | None, dashes: str = "") -> None:
    """Raise InputError naming all of ``values``, nested or by dotted name, whose names are old ones."""
    renamed = [(name, value, new) for name, value in flatten(values).items() if (new := _new_name(name, value))]
    for name, value, new in renamed[:1]:
        others = "".join(f"; for {dashes}{old} {dashes}{new}" for old, _, new in renamed[1:_TOLD])
        others += f"; and {len(renamed) - _TOLD} more" if len(renamed) > _TOLD else ""
        raise InputError(
            "the setting has another name now", file=file, field=dashes + name, value=value,
            remedy=f"write {dashes}{new}; --help describes it{others}",
        )  # fmt: skip


def _new_name(name: str, value: Any) -> str | None:
    for old, new in RENAMED.items():
        became_a_section = is_within(new, (old,))  # the old name is still one; null leaves the section out
        if name == old and not (became_a_section and value is None):
            return new
        if is_within(name, (old,)) and not became_a_section:
            return new + name.removeprefix(old)
    return None
