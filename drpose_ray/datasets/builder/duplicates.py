"""Sequences that were drawn twice: a perceptual hash of each, and which hashes are too close to another."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations, count
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drpose_ray.core.drawing.pictures import on_white
from drpose_ray.datasets.record import INPUT_IMAGE, SequenceRecord

K = TypeVar("K", bound=Hashable)

_BITS: Final = 64
_INK: Final = 8


def image_hash(record: SequenceRecord) -> str | None:
    """The difference hash of a record's first ok frame, 16 hex digits; None if no frame is ok.

    The input image is composited on white, turned into luminance (Pillow's "L", Rec. 601), cut to the box of the
    pixels darker than 247, and shrunk to 9 x 8 by the mean over areas. Bit ``8 * row + column``, the first the highest,
    says whether a pixel is darker than its right neighbour. Where the person stands in the picture and how large
    therefore does not matter; small changes of colour flip few bits.
    """
    if not record.ok_frames:
        return None
    pixels = on_white(record.images[INPUT_IMAGE][record.ok_frames[0]])
    grey = np.asarray(Image.fromarray(pixels).convert("L"))
    rows, columns = (np.flatnonzero((grey < 255 - _INK).any(axis)) for axis in (1, 0))
    if len(rows):  # a white picture is hashed whole
        grey = grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = np.asarray(Image.fromarray(grey).resize((9, 8), Image.Resampling.BOX))
    return np.packbits(small[:, :-1] < small[:, 1:]).tobytes().hex()


def find_duplicates(hashes: Sequence[tuple[K, str, int]], max_hamming: int = 0) -> dict[K, K]:
    """Which sequences to leave out: key -> key of the one that stays.

    Sequences are gone through by rising rank (equal ranks: in the given order). One that differs in at most
    ``max_hamming`` bits from a sequence that stays is left out in favour of the first such; otherwise it stays.

    Args:
        hashes: (key, 16 hex digits, rank); keys are unique.
        max_hamming: 0 to 8. Work grows quickly with it; memory only with the number of pairs so close.
    """
    if not 0 <= max_hamming <= 8:
        raise ValueError(f"max_hamming {max_hamming}, expected 0 to 8")
    ranks = np.fromiter((rank for _, _, rank in hashes), np.int64, len(hashes))
    codes = np.fromiter((int(code, 16) for _, code, _ in hashes), np.uint64, len(hashes))
    by_rank = np.argsort(ranks, kind="stable")
    distinct, first, which = np.unique(codes[by_rank], return_index=True, return_inverse=True)
    # From here on a hash is named by the place of its first sequence in the order of ranks.
    stays_as = first.copy() if max_hamming == 0 else _first_near(distinct, first, max_hamming)
    kept = stays_as[which]  # (N,) in the order of ranks
    left_out = np.flatnonzero(kept != np.arange(len(hashes)))
    return {hashes[by_rank[i]][0]: hashes[by_rank[kept[i]]][0] for i in left_out}


def _first_near(distinct: NDArray[np.uint64], first: NDArray[np.int64], max_hamming: int) -> NDArray[np.int64]:
    """(U,) -> (U,): for each distinct hash the place of the hash that stays for it, its own place if it stays."""
    order = np.argsort(first)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    pairs = [np.sort(place[pair], 1) for pair in _near_pairs(distinct, max_hamming)]
    near = np.unique(np.concatenate([np.empty((0, 2), np.int64), *pairs]), axis=0)
    near = near[np.lexsort((near[:, 0], near[:, 1]))]
    stays = np.arange(len(order))
    for earlier, later in near.tolist():
        if stays[earlier] == earlier and stays[later] == later:
            stays[later] = earlier
    of_place = np.empty_like(first)
    of_place[order] = first[order][stays]
    return of_place


def _near_pairs(codes: NDArray[np.uint64], max_hamming: int) -> Iterator[NDArray[np.int64]]:
    """Pieces (P, 2) of all index pairs of distinct ``codes`` at most ``max_hamming`` bits apart; pairs may repeat.

    Of ``max_hamming + 2`` parts of 64 bits such a pair agrees in at least two (pigeonhole). Sorting by two parts brings
    it together; neighbours at growing distance are compared while those two parts agree.
    """
    parts = max_hamming + 2
    # Every parts-th bit: neighbouring bits of an image's hash are alike, and each part should tell hashes apart.
    masks = [sum(1 << bit for bit in range(part, _BITS, parts)) for part in range(parts)]
    for chosen in combinations(masks, 2):
        shared = codes & np.uint64(chosen[0] | chosen[1])
        order = np.argsort(shared)
        shared, ordered = shared[order], codes[order]
        here = np.arange(len(codes))
        for apart in count(1):
            here = here[here + apart < len(codes)]
            here = here[shared[here] == shared[here + apart]]
            if not len(here):
                break
            near = here[np.bitwise_count(ordered[here] ^ ordered[here + apart]) <= max_hamming]
            yield np.stack([order[near], order[near + apart]], 1)
