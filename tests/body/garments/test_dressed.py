"""A person in clothes is one whole mesh: what is hidden is gone, what is worn lies outside and moves along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from scipy.spatial import cKDTree

from drpose_ray.body.anny_export import BODY_CACHE
from drpose_ray.body.garments.dressed import DressedPerson, dress
from drpose_ray.body.garments.wardrobe import Wardrobe, read_wardrobe
from drpose_ray.body.smplx_body import vertex_normals
from drpose_ray.core.seeding import stream
from drpose_ray.geometry.cameras import Frame, world_to_cam
from drpose_ray.geometry.motion_row import BETAS, NUM_COLUMNS
from drpose_ray.poses.sources import draw_pose
from tests.body.garments.small import free_body, write_outfit

_FOLDERS = (Path(__file__).parents[level] / "shared" / "data" / "makehuman" for level in (4, 5))
REAL = next((folder for folder in _FOLDERS if folder.is_dir()), None)


def betas_of(seed: int) -> np.ndarray:
    return np.clip(0.8 * stream(seed, "person").normal(size=10), -1.8, 1.8).astype(np.float32)


@pytest.fixture(scope="module")
def overall(tmp_path_factory: pytest.TempPathFactory) -> Wardrobe:
    folder = tmp_path_factory.mktemp("overall")
    write_outfit(folder, above_m=-0.005)  # sunk into the skin
    return read_wardrobe(folder, free_body(), BODY_CACHE)


@pytest.fixture(scope="module")
def real() -> Wardrobe:
    if REAL is None:
        pytest.skip("no folder of MakeHuman's garments")
    return read_wardrobe(REAL, free_body(), BODY_CACHE)


def check_whole(person: DressedPerson) -> None:
    assert person.faces.min() >= 0 and person.faces.max() == len(person.rest) - 1
    assert len(np.unique(person.faces)) == len(person.rest)
    assert person.uv_faces.shape == person.faces.shape and person.uv_faces.max() < len(person.uvs)
    assert np.isfinite(person.rest).all() and np.isfinite(person.uvs).all()
    assert person.uvs.min() >= 0 and person.uvs.max() <= 1
    np.testing.assert_allclose(person.skin.sum(1), 1, atol=1e-5)
    assert person.texture.dtype == np.uint8 and person.texture.std() > 5


def test_the_skin_below_is_gone_and_the_cloth_lies_above_what_is_left(overall: Wardrobe) -> None:
    body = free_body()
    person = dress(overall, body, betas_of(0), 0, size=64)
    check_whole(person)
    num_cloth = len(overall.garments[0].points)
    skin, cloth = person.rest[:-num_cloth], person.rest[-num_cloth:]
    assert len(skin) < body.num_vertices - 1500
    row = np.zeros(NUM_COLUMNS, np.float32)
    row[BETAS] = person.betas
    bare = body.pose(row)[0]
    hidden = overall.garments[0].hidden[overall.base.body_vertices]
    rim = cKDTree(bare[~hidden])
    distance, nearest = rim.query(cloth)
    height = ((cloth - bare[~hidden][nearest]) * vertex_normals(bare, body.faces)[~hidden][nearest]).sum(1)
    assert height[distance < 0.005].min() > 0.003


def test_the_same_seed_is_the_same_person_and_another_is_not(overall: Wardrobe) -> None:
    one, again, other = (dress(overall, free_body(), betas_of(1), seed, size=64) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.rest, again.rest)
    np.testing.assert_array_equal(one.texture, again.texture)
    assert not np.array_equal(one.texture, other.texture)


def test_each_garment_has_its_own_part_of_the_picture(overall: Wardrobe) -> None:
    """Skin lowest, eyeballs in the middle, the overall on top."""
    person = dress(overall, free_body(), betas_of(2), 2, size=64)
    assert person.texture.shape == (3 * 64, 64, 3)
    num_faces = len(overall.garments[0].mesh.faces)
    heights = person.corner_uvs[..., 1]
    assert heights[-num_faces:].min() >= 2 / 3 - 1e-6
    assert heights[: -num_faces - 280].max() <= 1 / 3 + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_real_garments_stay_with_the_body_in_hard_poses(real: Wardrobe, seed: int) -> None:
    person = dress(real, free_body(), betas_of(seed), seed, size=128)
    check_whole(person)
    row = draw_pose({"dance": 1.0}, 3, seed).copy()
    row[BETAS] = person.betas
    vertices, joints = person.pose(row)
    bare, bare_joints = free_body().pose(row)
    np.testing.assert_allclose(joints, bare_joints, atol=1e-5)
    distance, _ = cKDTree(bare).query(vertices)
    assert distance.max() < 0.3  # long hair and skirts
    assert np.quantile(distance, 0.98) < 0.08
    edges = person.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    rest, posed = (np.linalg.norm(v[edges[:, 0]] - v[edges[:, 1]], axis=1) for v in (person.rest, vertices))
    assert (posed > 0.12 + rest).mean() < 2e-4  # nothing is torn


@pytest.mark.parametrize("seed", range(4))
def test_the_edge_of_the_skin_that_is_left_stays_under_the_cloth(real: Wardrobe, seed: int) -> None:
    """Of what four cameras see of a dancer, less than one part in 200 is skin that goes in under a garment."""
    person, body = dress(real, free_body(), betas_of(seed), seed, size=32), free_body()
    worn = real.draw(stream(seed, "garments"))
    hidden = np.any([garment.hidden for garment in worn], axis=0)[real.base.body_vertices]
    kept = np.flatnonzero(~hidden[body.faces].all(1))
    # Eyeballs, which nothing hides, come last among the faces of the skin.
    eyeballs = np.isin(body.part[body.faces[kept]], (23, 24)).all(1)
    edge = np.flatnonzero(hidden[body.faces[kept[~eyeballs]]].any(1))
    vertices, _ = person.pose(draw_pose({"dance": 1.0}, 0, seed))
    frame = Frame.around(vertices)
    scene = EmbreeScene()
    TriangleMesh(scene, ((vertices - frame.center_world) / frame.width_m).astype(np.float32)[person.faces])
    place = (np.arange(192) + 0.5) / 192 - 0.5
    seen: list[int] = []
    for azimuth in (0, 90, 180, 270):
        right, up, towards = world_to_cam(azimuth)
        origins = (place[:, None, None] * right + place[None, :, None] * up + 2 * towards).reshape(-1, 3)
        directions = np.tile(-towards, (len(origins), 1)).astype(np.float32)
        found = scene.run(origins.astype(np.float32), directions, output=1)["primID"]
        seen += found[found >= 0].tolist()
    assert len(edge) > 100 and np.isin(seen, edge).mean() < 0.005


def test_everything_real_is_worn_by_somebody(real: Wardrobe) -> None:
    worn = {garment.name for seed in range(300) for garment in real.draw(stream(seed, "garments"))}
    assert worn == {garment.name for garment in real.garments if garment.kind != "other"}
    assert {len(real.of_kind(kind)) for kind in ("outfit",)} == {12}
