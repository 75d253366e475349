"""Peak memory of a post-training step from counts alone: the step runs on the meta device, where tensors have no data.

Every tensor an operator returns is counted while something keeps its storage alive, through forward, backward and
checkpoint recomputation alike. Kernels' own workspace and an allocator's rounding are not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveBytes(TorchDispatchMode):
    """Within the block: bytes alive of storages that operators created, and the most there were at once."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: int = 0
        self.peak: int = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {self._key(t) for t in tree_iter((args, kwargs)) if isinstance(t, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in tree_iter(result):
            if isinstance(tensor, torch.Tensor) and (key := self._key(tensor)) not in given:
                self._watch(key, tensor.untyped_storage())
        return result

    @staticmethod
    def _key(tensor: torch.Tensor) -> int:
        return int(tensor.untyped_storage()._cdata)  # noqa: SLF001 - two views of a storage share only this

    def _watch(self, key: int, storage: torch.UntypedStorage) -> None:
        if key in self._known:
            return
        nbytes = storage.nbytes()
        self.alive += nbytes
        self.peak = max(self.peak, self.alive)

        def released() -> None:
            self.alive -= nbytes
            self._known.discard(key)

        weakref.finalize(storage, released)
        self._known.add(key)


@contextmanager
def fused_attention() -> Iterator[None]:
    """Within the block attention is counted as the fused kernels do it: without a matrix of scores.

    The meta device would otherwise fall back to the plain formula, which no device that matters uses here. A function
    mode would not do: it is not active while a checkpoint recomputes.
    """
    plain = F.scaled_dot_product_attention

    def fused(*args: Any, **kwargs: Any) -> torch.Tensor:
        output: torch.Tensor = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(  # noqa: SLF001
            *args, **kwargs
        )[0]
        return output

    F.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        F.scaled_dot_product_attention = plain


def peak_of(work: Callable[[], object]) -> int:
    """Most bytes alive at once during ``work`` on meta tensors, above those alive before it."""
    counted = LiveBytes()
    with fused_attention(), counted:
        work()
    return counted.peak


ADAMW_BYTES: Final = 8
"""Two float32 moments per trained parameter."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on one worker's device while it trains, by what they are for."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    reference: int
    activations: int

    @property
    def peak(self) -> int:
        """All of it at once: the replay's backward pass is the peak, and everything else is there already."""
        return self.weights + self.gradients + self.optimizer + self.average + self.reference + self.activations
