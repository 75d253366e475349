"""Frames of a dataset, counted record by record for its card."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from drpose_ray.datasets.inspect.card_fields import FrameCount, GeneratorCard, RejectedCount
from drpose_ray.datasets.inspect.rejected import status_in
from drpose_ray.datasets.record import CLOTHED_BODY, RecordHeader
from drpose_ray.datasets.rows import Manifest

_TWINS: Final = (CLOTHED_BODY,)


@dataclass
class Counts:
    """Frames of records by everything that a card lists."""

    frames: Counter[tuple[str, str]] = field(default_factory=Counter)
    frames_ok: Counter[tuple[str, str]] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    images: dict[tuple[str, str], dict[str, tuple[int, ...]]] = field(default_factory=dict)

    def add(self, manifest: Manifest, header: RecordHeader) -> list[int]:
        """Count a record; gives its frames that are read."""
        status = status_in(manifest, header)
        ok = [frame for frame, each in enumerate(status) if each.state == "ok"]
        made = header.provenance
        for what in (
            ("source", made.source),
            ("motion", header.licence.motion),
            ("body", header.licence.body),
            ("image", header.licence.image),
            ("fps", f"{made.fps:g}"),
            ("length", str(len(status))),
            ("generator", made.generator),
        ):
            self.frames[what] += len(status)
            self.frames_ok[what] += len(ok)
        self.states.update(each.state for each in status)
        self.rejected.update((each.state, each.reason) for each in status if each.state != "ok")
        return ok

    def rows(self, kind: str) -> tuple[FrameCount, ...]:
        """Of one kind, the most frequent first."""
        found = [(name, number) for (what, name), number in self.frames.items() if what == kind]
        return tuple(
            FrameCount(name=name, frames=number, frames_ok=self.frames_ok[kind, name])
            for name, number in sorted(found, key=lambda each: (-each[1], each[0]))
        )

    def rejected_rows(self) -> tuple[RejectedCount, ...]:
        rows = sorted(self.rejected.items(), key=lambda each: (-each[1], each[0]))
        return tuple(
            RejectedCount.model_validate({"state": state, "reason": reason, "frames": number})
            for (state, reason), number in rows
        )

    def generator_rows(self, manifest: Manifest) -> tuple[GeneratorCard, ...]:
        """By name, in the order of the manifest."""
        rows = []
        for name in dict.fromkeys(each.name for each in manifest.identity.generators):
            same = [each for each in manifest.identity.generators if each.name == name]
            rows.append(
                GeneratorCard(
                    name=name,
                    settings_sha256=tuple(each.settings_sha256 for each in same),
                    body_sha256=tuple(dict.fromkeys(each.body_sha256 for each in same)),
                    share=sum(each.share for each in same),
                    frames=self.frames["generator", name],
                    frames_ok=self.frames_ok["generator", name],
                    images=self._images_of(name),
                    free_twin=name in _TWINS,
                )
            )
        return tuple(rows)

    def _images_of(self, generator: str) -> dict[str, tuple[tuple[int, ...], ...]]:
        found: dict[str, set[tuple[int, ...]]] = {}
        for (drawn_by, _), images in self.images.items():
            for name, shape in images.items() if drawn_by == generator else ():
                found.setdefault(name, set()).add(shape)
        return {name: tuple(sorted(shapes)) for name, shapes in sorted(found.items())}
