"""The optimiser step under DeepSpeed: ZeRO-sharded AdamW around the trainable denoiser, on gloo/CPU or nccl/CUDA."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

from drpose_ray.finetune.engine.deepspeed_setup import deepspeed, prepare_deepspeed

WEIGHTS_TAG = "engine"


class DenoiserEngine:
    """Trains one network with data parallelism. Needs an initialised ``torch.distributed`` process group.

    Call ``network`` like the module itself. Per update: any number of ``backward`` calls, then one ``step``. All ranks
    must make the same calls in the same order, since each ``backward`` reduces gradients across them (ZeRO 2 and 3);
    plans are therefore drawn from a stream that does not know the rank.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        betas: tuple[float, float],
        weight_decay: float,
        max_grad_norm: float,
        gradient_accumulation: int,
        zero_stage: int,
        precision: torch.dtype = torch.float32,
        offload_optimizer: bool = False,
        offload_parameters: bool = False,
    ) -> None:
        """``module`` is in ``precision`` and on its device already.

        With bfloat16, DeepSpeed keeps and updates float32 masters.
        """
        prepare_deepspeed()
        pinned = next(module.parameters()).device.type == "cuda"
        trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
        # torch's fused AdamW is as fast on a CPU as DeepSpeedCPUAdam, and needs no compiler (docs/facts/ray.md, 1).
        optimizer = torch.optim.AdamW(trainable, betas=betas, weight_decay=weight_decay, fused=True)
        self._engine, *_ = deepspeed.initialize(
            model=module,
            model_parameters=trainable,
            optimizer=optimizer,
            dist_init_required=False,
            config={
                "train_micro_batch_size_per_gpu": 1,  # only reported, never used: losses arrive as batch means
                "gradient_accumulation_steps": gradient_accumulation,
                "gradient_clipping": max_grad_norm,
                # DeepSpeed's own bookkeeping expects one backward per micro-batch: of several at the boundary it keeps
                # the last gradient and drops the others. Unmanaged, every backward adds its gradient, averaged over
                # ranks and divided by `gradient_accumulation`, and `step` is the boundary: the sum that replay needs.
                "managed_gradient_accumulation": False,
                "zero_optimization": {
                    "stage": zero_stage,
                    "overlap_comm": False,
                    **_offloaded("offload_optimizer", offload_optimizer, pinned),
                    **_offloaded("offload_param", offload_parameters, pinned),
                },
                "bf16": {"enabled": precision == torch.bfloat16},
                "zero_allow_untested_optimizer": True,
                "zero_force_ds_cpu_optimizer": False,
                "steps_per_print": 2**31,
            },
        )
        self._zero_stage = zero_stage

    @property
    def network(self) -> nn.Module:
        """The module as DeepSpeed runs it: same arguments, same output."""
        engine: nn.Module = self._engine
        return engine

    @property
    def gathers_weights(self) -> bool:
        """Whether a call collects the weights from other ranks (ZeRO 3)."""
        return self._zero_stage == 3

    @property
    def rollout_network(self) -> nn.Module:
        """The same function for calls without gradients: without DeepSpeed around it where it can be."""
        module: nn.Module = self._engine if self.gathers_weights else self._engine.module
        return module

    @property
    def device(self) -> torch.device:
        """Where this rank's parameters live."""
        return torch.device(self._engine.device)

    @property
    def world_size(self) -> int:
        """Ranks that train together."""
        return int(self._engine.world_size)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a scalar loss of one micro-batch: mean over ranks and over ``gradient_accumulation``."""
        self._engine.backward(loss)

    def step(self, learning_rate: float) -> float:
        """Clip, update, forget the gradients. Returns the gradient's norm before clipping."""
        for group in self._engine.optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def save(self, folder: Path) -> None:
        """Write weights and this rank's optimiser state. Collective; ranks may share the folder."""
        self._engine.save_checkpoint(str(folder), tag=WEIGHTS_TAG)

    def load(self, folder: Path) -> None:
        """Restore what ``save`` wrote, with the same number of ranks and the same ZeRO stage.

        DeepSpeed unpickles its files: give it only folders that this run itself wrote.
        """
        path, _ = self._engine.load_checkpoint(str(folder), tag=WEIGHTS_TAG)
        if path is None:
            raise FileNotFoundError(f"no DeepSpeed checkpoint in {folder}")

    def held_weights(self) -> dict[str, torch.Tensor]:
        """The part of the weights that train that this rank holds: not copies, and where they are.

        Under ZeRO 3 that is its piece (n,) of each, padded at the end; else rank 0 has them whole, as the others do,
        and the others' part is nothing.
        """
        module: Any = self._engine.module  # to whose parameters DeepSpeed adds attributes
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if self.gathers_weights:
            return {name: p.ds_tensor.detach() for name, p in trained.items()}
        return {name: p.detach() for name, p in trained.items()} if dist.get_rank() == 0 else {}

    def join(self, parts: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors of which each rank has its part, as of ``held_weights``: whole, copied to the CPU of rank 0.

        The others get nothing. Collective under ZeRO 3.
        """
        if not self.gathers_weights:
            return {name: part.to("cpu", copy=True) for name, part in parts.items()}
        whole = {}
        for name, part in parts.items():
            sent = part.to(self.device)
            pieces = [torch.empty_like(sent) for _ in range(self.world_size)] if dist.get_rank() == 0 else None
            dist.gather(sent, pieces)
            if pieces:
                shape = self._engine.module.get_parameter(name).ds_shape
                whole[name] = torch.cat(pieces)[: shape.numel()].view(shape).cpu()
        return whole

    def cut(self, whole: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Of tensors that are whole on this rank, its part as of ``held_weights``."""
        if not self.gathers_weights:
            return {name: whole[name] for name in self.held_weights()}
        parts = {}
        for name, held in self.held_weights().items():
            flat = whole[name].flatten()
            padded = F.pad(flat, (0, held.numel() * self.world_size - flat.numel()))
            parts[name] = padded.chunk(self.world_size)[dist.get_rank()]
        return parts

    def trained_weights(self) -> dict[str, torch.Tensor]:
        """The weights that train, copied to the CPU of rank 0; the others get nothing. Collective under ZeRO 3."""
        return self.join(self.held_weights())

    def state_dict(self) -> dict[str, torch.Tensor]:
        """All weights on the CPU, whole on every rank. Collective under ZeRO 3."""
        module: nn.Module = self._engine.module
        with deepspeed.zero.GatheredParameters(list(module.parameters()), enabled=self.gathers_weights):
            # Cloned, or the tensors would be views of DeepSpeed's flat buffers and be saved as those.
            return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def _offloaded(what: str, offload: bool, pinned: bool) -> dict[str, Any]:
    return {what: {"device": "cpu", "pin_memory": pinned}} if offload else {}
