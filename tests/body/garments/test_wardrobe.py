"""A wardrobe is its garments' content, and a person's clothes are drawn from it by a seed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.body.anny_export import BODY_CACHE, ensure_body
from drpose_ray.body.garments.wardrobe import Wardrobe, read_wardrobe
from drpose_ray.body.smplx_body import Body
from drpose_ray.core.errors import InputError
from drpose_ray.core.seeding import stream
from tests.body.garments.small import free_body, write_cut, write_outfit


def write_wardrobe(folder: Path) -> None:
    points = free_body().rest_vertices
    x, y = np.abs(points[:, 0]), points[:, 1]
    nothing = np.zeros(len(points), np.bool_)
    write_outfit(folder / "outfit")
    write_cut(folder / "a", "shirt", (y < 0.15) & (y > -0.4) & (x < 0.4), nothing)
    write_cut(folder / "b", "trousers", (y < -0.25) & (y > -1.2) & (x < 0.35), nothing)
    write_cut(folder / "shoes", "shoes", y < -1.22, y < -1.24, depth=5)
    write_cut(folder / "hair", "short", (y > 0.44) & (points[:, 2] < 0.1), nothing)
    write_cut(folder / "hat", "bowler", y > 0.43, nothing, tag="Hats")
    write_cut(folder / "glasses", "glasses", (np.abs(y - 0.37) < 0.02) & (points[:, 2] > 0.1), nothing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wardrobe")
    write_wardrobe(folder)
    return folder


@pytest.fixture(scope="module")
def wardrobe(folder: Path) -> Wardrobe:
    return read_wardrobe(folder, free_body(), BODY_CACHE)


def names(wardrobe: Wardrobe, seed: int) -> list[str]:
    return [garment.name for garment in wardrobe.draw(stream(seed, "garments"))]


def test_garments_are_known_by_what_they_cover(wardrobe: Wardrobe) -> None:
    kinds = {garment.name: garment.kind for garment in wardrobe.garments}
    assert kinds == {
        "overall": "outfit", "shirt": "top", "trousers": "bottom", "shoes": "shoes", "short": "hair", "bowler": "hat",
        "glasses": "other",
    }  # fmt: skip


def test_the_same_files_under_other_names_are_the_same_wardrobe(
    wardrobe: Wardrobe, folder: Path, tmp_path: Path
) -> None:
    for number, file in enumerate(sorted(folder.rglob("*.mhclo"), reverse=True)):
        shutil.copytree(file.parent, tmp_path / "moved" / f"{number:02d}")
        shutil.copytree(file.parent, tmp_path / "moved" / "again" / str(number))
    moved = read_wardrobe(tmp_path / "moved", free_body(), BODY_CACHE)
    assert moved.sha256 == wardrobe.sha256
    assert len(moved.garments) == len(wardrobe.garments)
    assert [names(moved, seed) for seed in range(20)] == [names(wardrobe, seed) for seed in range(20)]


def test_everybody_is_covered_and_nobody_wears_hair_under_a_hat(wardrobe: Wardrobe) -> None:
    drawn = [set(names(wardrobe, seed)) for seed in range(200)]
    assert all("overall" in worn or {"shirt", "trousers"} <= worn for worn in drawn)
    assert not any({"short", "bowler"} <= worn for worn in drawn)
    assert set.union(*drawn) == {"overall", "shirt", "trousers", "shoes", "short", "bowler"}
    depths = [[garment.depth for garment in wardrobe.draw(stream(seed, "garments"))] for seed in range(20)]
    assert all(found == sorted(found) for found in depths)


def test_a_folder_from_which_nobody_can_be_dressed_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no garments"):
        read_wardrobe(tmp_path, free_body(), BODY_CACHE)
    shutil.copytree(folder / "hair", tmp_path / "hair")
    shutil.copytree(folder / "a", tmp_path / "a")
    with pytest.raises(InputError, match="nobody can be dressed") as refused:
        read_wardrobe(tmp_path, free_body(), BODY_CACHE)
    assert refused.value.value == {"top": 1, "hair": 1}
    with pytest.raises(InputError):
        read_wardrobe(tmp_path / "none", free_body(), BODY_CACHE)


def test_one_bad_garment_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "w")
    (tmp_path / "w" / "hair" / "short.obj").unlink()
    with pytest.raises(InputError) as refused:
        read_wardrobe(tmp_path / "w", free_body(), BODY_CACHE)
    assert refused.value.file == tmp_path / "w" / "hair" / "short.obj"


def test_another_body_than_the_free_one_is_refused(folder: Path, tmp_path: Path) -> None:
    with np.load(ensure_body(BODY_CACHE)) as file:
        fields = {name: file[name] for name in file.files}
    fields["v_template"] = fields["v_template"] * np.float32(1.01)
    np.savez(tmp_path / "other.npz", **fields)
    with pytest.raises(InputError, match="which this body is not") as refused:
        read_wardrobe(folder, Body(tmp_path / "other.npz"), BODY_CACHE)
    assert refused.value.field == "garments"
