"""What decides the bytes of a dataset, and which sequences lie in which shard."""

from __future__ import annotations

import hashlib
from functools import cached_property
from itertools import accumulate
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_COUNT: Final = 10**12
"""Of anything that is counted here: files of any origin are read, and numbers of theirs become sizes and loops."""

Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
MAX_SHARDS: Final = 1_000_000
"""Names of shards have six digits."""


class Stored(BaseModel):
    """Base of what a dataset's JSON files hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GeneratorIdentity(Stored):
    """One way in which the images of a dataset are drawn."""

    name: str
    settings_sha256: str
    body_sha256: str
    share: float = Field(gt=0, le=1)
    """Part of the shards that it draws."""


class Segment(Stored):
    """Sequences that were planned together. A dataset that grows gets another; those before it stay as they are."""

    sequences: int = Field(ge=1, le=MAX_COUNT)
    frames: int = Field(ge=1, le=MAX_COUNT)
    selection_sha256: str
    """Of every window up to the end of this segment."""


class DatasetIdentity(Stored):
    """Two builds with equal identities write equal folders."""

    version: Literal[2] = 2
    generators: tuple[GeneratorIdentity, ...] = Field(min_length=1)
    sequences_per_shard: int = Field(ge=1, le=MAX_COUNT)
    segments: tuple[Segment, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        if self.shards > MAX_SHARDS:
            raise ValueError(f"{self.shards} shards, more than {MAX_SHARDS}: take more sequences per shard")
        if abs(sum(generator.share for generator in self.generators) - 1) > 1e-6:
            raise ValueError("the generators' shares are not 1 together")
        return self

    @property
    def sequences(self) -> int:
        return sum(segment.sequences for segment in self.segments)

    @property
    def frames(self) -> int:
        return sum(segment.frames for segment in self.segments)

    @property
    def shards(self) -> int:
        return self._first_shards[-1]

    def span(self, shard_id: int) -> tuple[int, int]:
        """Sequences ``[start, stop)`` of a shard. A segment begins with a shard of its own."""
        number = next(i for i, end in enumerate(self._first_shards[1:]) if shard_id < end)
        first = sum(segment.sequences for segment in self.segments[:number])
        start = first + (shard_id - self._first_shards[number]) * self.sequences_per_shard
        return start, min(start + self.sequences_per_shard, first + self.segments[number].sequences)

    def origin(self, shard_id: int) -> str:
        """Names everything that decides the bytes of a shard, so that no part of another dataset is taken for its."""
        number = next(i for i, end in enumerate(self._first_shards[1:]) if shard_id < end)
        known = self.model_copy(update={"segments": self.segments[: number + 1]})
        return hashlib.sha256(known.model_dump_json().encode()).hexdigest()[:12]

    def generator_of(self, shard_id: int) -> int:
        """Index of the generator that draws a shard: shares are dealt evenly, and a shard keeps its own for ever."""
        ends = list(accumulate(generator.share for generator in self.generators))
        for index, end in enumerate(ends[:-1]):
            if int((shard_id + 1) * end + 1e-9) > int(shard_id * end + 1e-9):
                return index
        return len(ends) - 1

    @cached_property
    def _first_shards(self) -> tuple[int, ...]:
        shards = (-(-segment.sequences // self.sequences_per_shard) for segment in self.segments)
        return (0, *accumulate(shards))
