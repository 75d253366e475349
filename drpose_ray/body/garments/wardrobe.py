"""A folder of garments, and what a person takes out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from drpose_ray.body.garments.base_mesh import BaseMesh, ensure_base_mesh
from drpose_ray.body.garments.garment import KINDS, Garment, read_garment
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.files.reading import list_files

_MAX_GARMENTS: Final = 2_000
_WITH_SHOES, _WITH_HAIR, _WITH_HAT = 0.95, 0.94, 0.06


@dataclass(frozen=True, eq=False)
class Wardrobe:
    """Garments by content: the same files are the same wardrobe in any folder, under any names, in any order.

    ``garments`` are sorted by their SHA-256; ``base`` is the mesh that they hang on.
    """

    garments: tuple[Garment, ...]
    base: BaseMesh

    @cached_property
    def sha256(self) -> str:
        """Of the garments; it goes into the manifest of whatever was made with them."""
        return hashlib.sha256("".join(garment.sha256 for garment in self.garments).encode()).hexdigest()

    @property
    def licence(self) -> str:
        """The terms that the garments state, each once."""
        return ", ".join(sorted({garment.licence for garment in self.garments}))

    def of_kind(self, kind: str) -> list[Garment]:
        return [garment for garment in self.garments if garment.kind == kind]

    def draw(self, rng: np.random.Generator) -> list[Garment]:
        """What one person wears, the innermost first: an outfit or a top and a bottom, mostly shoes, hair or a hat."""
        outfits, tops, bottoms = (self.of_kind(kind) for kind in ("outfit", "top", "bottom"))
        pairs = len(tops) * len(bottoms)
        chosen: list[Garment] = []
        # Pairs of tops and bottoms are many, but no more different from each other than as many outfits as pieces.
        weight = min(pairs, len(tops) + len(bottoms))
        if rng.random() * (len(outfits) + weight) < len(outfits):
            chosen.append(_one(outfits, rng))
        else:
            chosen += [_one(bottoms, rng), _one(tops, rng)]
        wishes = {"shoes": _WITH_SHOES, "hat": _WITH_HAT, "hair": _WITH_HAIR}
        for kind, share in wishes.items():
            there, wanted = self.of_kind(kind), rng.random() < share
            if there and wanted and not (kind == "hair" and chosen[-1].kind == "hat"):
                chosen.append(_one(there, rng))
        return sorted(chosen, key=lambda garment: garment.depth)


def read_wardrobe(folder: Path, body: Body, cache: Path) -> Wardrobe:
    """Read every ``.mhclo`` below ``folder``, with the ``.obj`` beside it; a garment that lies there twice counts once.

    Args:
        cache: where the free body lies; the base mesh is made there on first use.

    Raises:
        InputError: the folder or a file in it cannot be read, a garment cannot be used (each reason by name), nobody
            could be dressed from it, or ``body`` is not the free one.
        OSError: the disk failed.
    """
    files = list_files(folder, {".mhclo"}, field="garments")
    if not files or len(files) > _MAX_GARMENTS:
        raise InputError(
            f"more than {_MAX_GARMENTS} garments" if files else "no garments, which are .mhclo files, in the folder",
            file=folder, field="garments",
            remedy="name a folder of MakeHuman's garments, or leave it out for painted ones",
        )  # fmt: skip
    base = ensure_base_mesh(cache, body)
    by_content = {garment.sha256: garment for garment in (read_garment(file, base) for file in files)}
    wardrobe = Wardrobe(tuple(by_content[key] for key in sorted(by_content)), base)
    if not wardrobe.of_kind("outfit") and not (wardrobe.of_kind("top") and wardrobe.of_kind("bottom")):
        there = {kind: len(wardrobe.of_kind(kind)) for kind in KINDS if wardrobe.of_kind(kind)}
        raise InputError(
            "nobody can be dressed from the folder", file=folder, field="garments", value=there,
            remedy="add an outfit that covers trunk and legs, or a top and a bottom",
        )  # fmt: skip
    return wardrobe


def _one(garments: Sequence[Garment], rng: np.random.Generator) -> Garment:
    return garments[int(rng.integers(len(garments)))]
