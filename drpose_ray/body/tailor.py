"""Who clothes people: without a folder of garments they are painted, with one they are dressed from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.garments.dressed import DressedPerson, dress
from drpose_ray.body.garments.wardrobe import Wardrobe, read_wardrobe
from drpose_ray.body.people import PaintedPerson, Person, draw_betas, draw_person
from drpose_ray.body.smplx_body import Body
from drpose_ray.body.texture import TEXTURE_SIZE
from drpose_ray.core.seeding import derive_seed, stream


class Tailor(Protocol):
    """Draws people of one ``body`` from seeds."""

    @property
    def body(self) -> Body: ...

    def identity(self) -> Mapping[str, str]:
        """What besides body and seed decides who is drawn, for manifests; nothing of painted people."""

    def licence(self, of_paint: str) -> str:
        """Terms of what is drawn, where those of painted people are ``of_paint``."""

    def seed(self, seed: int, *names: str | int) -> int:
        """Seed of the person ``names``: another wardrobe draws others."""

    def draw(self, seed: int, texture_size: int = TEXTURE_SIZE) -> Person:
        """The person of ``seed``; ``texture_size`` is the side of its texture, or of each picture in it, in texels."""


@dataclass(frozen=True, eq=False)
class Painter:
    """Paints a ``body``; the colours are its own."""

    body: Body

    def identity(self) -> Mapping[str, str]:
        return {}

    def licence(self, of_paint: str) -> str:
        return of_paint

    def seed(self, seed: int, *names: str | int) -> int:
        return derive_seed(seed, *names)

    def draw(self, seed: int, texture_size: int = TEXTURE_SIZE) -> PaintedPerson:
        return draw_person(self.body, seed, texture_size)


@dataclass(frozen=True, eq=False)
class Dresser:
    """Dresses a ``body`` from a ``wardrobe``."""

    body: Body
    wardrobe: Wardrobe

    def identity(self) -> Mapping[str, str]:
        return {"garments_sha256": self.wardrobe.sha256}

    def licence(self, of_paint: str) -> str:
        return f"{of_paint}; garments: {self.wardrobe.licence}"

    def seed(self, seed: int, *names: str | int) -> int:
        return derive_seed(seed, *names, self.wardrobe.sha256)

    def draw(self, seed: int, texture_size: int = TEXTURE_SIZE) -> DressedPerson:
        betas = draw_betas(stream(seed, "person"))
        return dress(self.wardrobe, self.body, betas, seed, texture_size)


def find_tailor(body: Body, garments: Path | None) -> Tailor:
    """Who clothes ``body``: a painter without a folder of ``garments``. Raises as ``read_wardrobe``."""
    return Painter(body) if garments is None else Dresser(body, read_wardrobe(garments, body, BODY_CACHE))
