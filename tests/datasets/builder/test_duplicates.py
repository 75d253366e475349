from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from drpose_ray.datasets.builder.duplicates import find_duplicates, image_hash
from drpose_ray.datasets.record import FrameStatus, SequenceRecord
from tests.datasets.builder.stripes import Stripes, make_windows


def brute_duplicates(hashes: list[tuple[str, str, int]], max_hamming: int) -> dict[str, str]:
    """The definition, comparing all with all."""
    stays: list[tuple[str, int]] = []
    left_out: dict[str, str] = {}
    for key, code, _ in sorted(hashes, key=lambda each: each[2]):
        near = [kept for kept, other in stays if (int(code, 16) ^ other).bit_count() <= max_hamming]
        if near:
            left_out[key] = near[0]
        else:
            stays.append((key, int(code, 16)))
    return left_out


def clustered_hashes(num: int, seed: int) -> list[tuple[str, str, int]]:
    """Chains of hashes a few bits apart, some of them equal, ranks (some equal) in no order."""
    rng = np.random.default_rng(seed)
    codes = [int(code) for code in rng.integers(0, 2**64, 12, dtype=np.uint64)]
    while len(codes) < num:
        code = codes[rng.integers(len(codes))]
        for bit in rng.integers(0, 64, rng.integers(0, 4)):
            code ^= 1 << int(bit)
        codes.append(code)
    return [(f"k{i}", f"{code:016x}", int(rng.integers(num))) for i, code in enumerate(codes)]


@pytest.mark.parametrize("max_hamming", [0, 1, 2, 3, 5, 8])
def test_it_is_what_comparing_all_with_all_finds(max_hamming: int) -> None:
    for seed in range(4):
        hashes = clustered_hashes(250, seed)
        found = find_duplicates(hashes, max_hamming)
        assert found == brute_duplicates(hashes, max_hamming)
        assert 0 < len(found) < 250


def test_the_lowest_rank_stays_and_a_chain_does_not_drag_far_hashes_along() -> None:
    hashes = [("late", "00000000000000ff", 9), ("middle", "000000000000000f", 5), ("early", "0000000000000000", 1)]
    assert find_duplicates(hashes, 4) == {"middle": "early"}, "late is near middle only, and middle does not stay"
    assert find_duplicates(hashes, 8) == {"middle": "early", "late": "early"}


def test_nothing_is_a_duplicate_of_nothing() -> None:
    assert find_duplicates([], 3) == {}


def drawn(pixels: np.ndarray) -> SequenceRecord:
    """A record of two frames, the first of which failed; the second shows ``pixels``."""
    record = Stripes().make(make_windows(1, frames=2)[0])
    status = (FrameStatus(state="failed", reason="x"), FrameStatus())
    return replace(record, images={"input": np.stack([np.zeros_like(pixels), pixels])}, status=status)


def blob(seed: int) -> np.ndarray:
    """(64, 64, 4) a coarse random picture on a transparent ground."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 200, (4, 4, 3), dtype=np.uint8))
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[10:50, 20:50, :3] = np.asarray(coarse.resize((30, 40), Image.Resampling.BICUBIC))
    pixels[10:50, 20:50, 3] = 255
    return pixels


def bits_between(one: np.ndarray, other: np.ndarray) -> int:
    first, second = image_hash(drawn(one)), image_hash(drawn(other))
    assert first is not None and second is not None and len(first) == 16
    return (int(first, 16) ^ int(second, 16)).bit_count()


def test_the_hash_keeps_the_picture_and_not_where_or_how_large_it_is() -> None:
    assert bits_between(blob(1), np.roll(blob(1), (7, -9), (0, 1))) == 0
    twice = np.asarray(Image.fromarray(blob(1)).resize((128, 128), Image.Resampling.NEAREST))
    assert bits_between(blob(1), twice) <= 2  # means are rounded
    noisy = blob(1)
    noisy[..., :3] += np.random.default_rng(0).integers(0, 4, (*noisy.shape[:2], 3), dtype=np.uint8)
    assert bits_between(blob(1), noisy) <= 4
    assert bits_between(blob(1), blob(2)) > 12


def test_bits_are_of_the_documented_order_and_sign() -> None:
    pixels = np.full((8, 9, 3), 240, np.uint8)
    pixels[0, 0] = 10  # darker than its right neighbour: the first, highest bit
    pixels[7, 7] = 10
    record = drawn(pixels)
    assert image_hash(record) == "8000000000000001"


def test_a_record_without_ok_frames_has_no_hash() -> None:
    record = drawn(blob(1))
    assert image_hash(replace(record, status=(record.status[0],) * 2)) is None
