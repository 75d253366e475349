"""Every kind of file that a user brings: a sound one of it, as small as can be, and what reads it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from drpose_ray.body.smplx_body import Body
from drpose_ray.core.files.cutout import read_cutout
from drpose_ray.core.seeding import stream
from drpose_ray.core.settings.config import load_config
from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.diffusion.encoded.latents_store import MARKER, open_latents, write_latents
from drpose_ray.diffusion.inference.photo import list_photos
from drpose_ray.diffusion.published.layout import load_schedule, load_text_embeddings, load_vae, outline_unet
from drpose_ray.geometry.cameras import VIEW_NAMES
from drpose_ray.poses.job import SelectPosesConfig
from drpose_ray.poses.procedural.dance import generate_dance
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.poses.sampling.picks import Pick, read_picks, write_picks
from drpose_ray.poses.windows_file import read_selection, write_selection
from drpose_ray.reward.predictor import PredictorConfig, SkeletonPredictor
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.fits.fit import read_fit
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.splits import read_split
from drpose_ray.synthesis.mimo.color_table import read_color_table
from tests.diffusion.encoded.six_views import write_six_views
from tests.poses.readers.bvh_files import draw_eulers, write_bvh
from tests.poses.test_windows_file import make_window
from tests.scans.mutations import fits, meshes

SMALL_MODEL = Path(__file__).resolve().parents[2] / "weights" / "small" / "i2mv"
ROWS = generate_dance(stream(0, "hostile"), 12).motion
CHECKS = ScanChecks(min_faces=1, max_degenerate_share=0.5)


@dataclass(frozen=True)
class Reader:
    """``write`` puts a sound file into a folder and returns it; ``read`` reads it, or raises InputError."""

    write: Callable[[Path], Path]
    read: Callable[[Path], object]


def _npy(folder: Path) -> Path:
    np.save(folder / "a.npy", ROWS)
    return folder / "a.npy"


def _npz(**fields: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "a.npz", **fields)  # type: ignore[arg-type]
        return folder / "a.npz"

    return write


def _bvh(folder: Path) -> Path:
    write_bvh(folder / "a.bvh", draw_eulers(4))
    return folder / "a.bvh"


def _picks(folder: Path) -> Path:
    write_picks(folder / "picks.npz", {"train": [Pick("walk", 3, 0.5, True)]}, {"window": 10})
    return folder / "picks.npz"


def _selection(folder: Path) -> Path:
    write_selection(folder / "selection.parquet", {"train": [make_window(1)]})
    return folder / "selection.parquet"


def _image(kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        pixels = np.random.default_rng(0).integers(0, 255, (24, 16, 4), np.uint8)
        Image.fromarray(pixels).save(folder / f"a.{kind.lower()}", kind)
        return folder / f"a.{kind.lower()}"

    return write


def _table(folder: Path) -> Path:
    (folder / "photos.csv").write_text("name,image\nfirst,a.png\nsecond,b.png\n")
    return folder / "photos.csv"


def _lines(folder: Path) -> Path:
    (folder / "test.txt").write_text("0001 # first\n0002\n\n0003\n")
    return folder / "test.txt"


def _preset(folder: Path) -> Path:
    (folder / "a.yaml").write_text(yaml.safe_dump({"run": {"seed": 3}, "poses": {"window": 10, "motions": ["a", "b"]}}))
    return folder / "a.yaml"


def _mesh(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        for other, content in meshes().items():
            if Path(other).suffix in {".obj", ".mtl", ".png"} or other == name:
                (folder / other).write_bytes(content)
        return folder / name

    return write


def _read_mesh(file: Path) -> object:
    mesh = file if file.suffix in {".ply", ".glb", ".obj"} else file.with_name("a.obj")
    return read_mesh(mesh, file if file.suffix in {".jpg", ".webp"} else None, CHECKS)


def _fit(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(fits()[name])
        return folder / name

    return write


def _read_fit(file: Path) -> object:
    return read_fit(ScanFiles("a", "tests", file, None, file, "CC0-1.0"), _tiny_body(), CHECKS)


def _model_part(part: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        shutil.copytree(SMALL_MODEL, folder / "model")
        return folder / "model" / part

    return write


def _model(file: Path) -> Path:
    return next(folder for folder in file.parents if folder.name == "model")


def _predictor(folder: Path) -> Path:
    torch.manual_seed(0)
    config = PredictorConfig(latent_size=4, map_size=4, channels=(8,))
    SkeletonPredictor(config).save(folder / "predictor.safetensors")
    return folder / "predictor.safetensors"


def _latents(folder: Path) -> Path:
    shard = PosedPeople(
        torch.zeros(2, 23, 3), torch.zeros(2, 3), torch.ones(2), ("a.0", "a.1"), ("1", "1"),
        latents=torch.zeros(2, 2, 6, 4, 2, 2),
    )  # fmt: skip
    write_latents(folder / "shard-000000.safetensors", shard)
    record = {
        "dataset_sha256": "0", "files": ["shard-000000.safetensors"], "samples": 2, "vae_sha256": "0",
        "image_size": 96, "num_slots": 6,
    }  # fmt: skip
    (folder / MARKER).write_text(json.dumps(record))
    return folder / "shard-000000.safetensors"


def _latents_record(folder: Path) -> Path:
    return _latents(folder).with_name(MARKER)


def _embeddings(folder: Path) -> Path:
    for name in ("normal_embeds.pt", "clr_embeds.pt"):
        torch.save(torch.zeros(len(VIEW_NAMES), 3, 8), folder / name)
    return folder / "normal_embeds.pt"


def _color_table(folder: Path) -> Path:
    stream_ = io.BytesIO()
    np.save(stream_, np.full((5, 3), 9, np.uint8))
    (folder / "table.npy").write_bytes(stream_.getvalue())
    return folder / "table.npy"


def _dataset(name: str) -> Callable[[Path], Path]:
    return lambda folder: write_six_views(folder / "dataset", side=8) / name


def _read_dataset(file: Path) -> object:
    return list(ShardReader(_dataset_of(file)))


def _read_what_is_sound(file: Path) -> object:
    return list(ShardReader(_dataset_of(file), corrupted="skip"))


def _dataset_of(file: Path) -> Path:
    return next(folder for folder in file.parents if folder.name == "dataset")


_BODIES: dict[str, Body] = {}


def _tiny_body() -> Body:
    from drpose_ray.body.anny_export import BODY_CACHE, ensure_body

    if "body" not in _BODIES:
        _BODIES["body"] = Body(ensure_body(BODY_CACHE))
    return _BODIES["body"]


def tiny_body_fields(num_vertices: int = 60) -> dict[str, np.ndarray]:
    """An SMPL-X model of a few vertices: all members that a file has, in their shapes."""
    rng = np.random.default_rng(0)
    faces = np.array([(i, (i + 1) % num_vertices, (i + 2) % num_vertices) for i in range(num_vertices)], np.uint32)
    parents = np.maximum(np.arange(55) - 1, 0)
    parents[0] = -1
    weights = np.zeros((num_vertices, 55))
    weights[np.arange(num_vertices), np.arange(num_vertices) % 55] = 1
    regressor = np.zeros((55, num_vertices))
    regressor[np.arange(55), np.arange(55)] = 1
    return {
        "v_template": rng.normal(size=(num_vertices, 3)), "f": faces, "weights": weights, "J_regressor": regressor,
        "shapedirs": rng.normal(size=(num_vertices, 3, 400)) * 0.01, "posedirs": np.zeros((num_vertices, 3, 486)),
        "kintree_table": np.stack([parents, np.arange(55)]).astype(np.int64),
        "hands_componentsl": np.eye(45), "hands_componentsr": np.eye(45), "hands_meanl": np.zeros(45),
        "hands_meanr": np.zeros(45), "lmk_faces_idx": np.zeros(51, np.int64),
        "lmk_bary_coords": np.full((51, 3), 1 / 3),
        "dynamic_lmk_faces_idx": np.zeros((79, 17), np.int64),
        "dynamic_lmk_bary_coords": np.full((79, 17, 3), 1 / 3),
    }  # fmt: skip


def _body(folder: Path) -> Path:
    np.savez_compressed(folder / "SMPLX_NEUTRAL.npz", **tiny_body_fields())  # type: ignore[arg-type]
    return folder / "SMPLX_NEUTRAL.npz"


def _tensors(folder: Path) -> Path:
    shutil.copytree(SMALL_MODEL, folder / "model")
    file = folder / "model" / "text_embeddings.safetensors"
    save_file({"text": torch.zeros(2, 6, 3, 8)}, file)
    return file


_ARCHIVE = {
    "motion": ROWS, "clip_start": np.array([0, 12]), "clip_name": np.array(["walk"]), "fps": np.array(30),
    "valid": np.ones(12, bool),
}  # fmt: skip
_AMASS = {
    "poses": ROWS[:, :156] * 0.1, "trans": np.tile([0.0, 0, 0.9], (12, 1)), "betas": np.zeros(16),
    "mocap_framerate": np.array(30.0),
}  # fmt: skip
_AISTPP = {"smpl_poses": ROWS[:, :72] * 0.1, "smpl_trans": ROWS[:, 309:312] * 90, "smpl_scaling": np.array([90.0])}


def _motions(file: Path) -> object:
    return read_motions(file, trust_up_axis=True)


READERS: dict[str, Reader] = {
    "Motion-X npy": Reader(_npy, lambda file: read_motions(file.parent, trust_up_axis=True)),
    "clip archive": Reader(_npz(**_ARCHIVE), _motions),
    "AMASS": Reader(_npz(**_AMASS), _motions),
    "AIST++": Reader(_npz(**_AISTPP), _motions),
    "BVH": Reader(_bvh, _motions),
    "picks": Reader(_picks, lambda file: read_picks(file, {"window": 10})),
    "selection": Reader(_selection, lambda file: list(read_selection(file, "train"))),
    "split list": Reader(_lines, read_split),
    "preset": Reader(_preset, lambda file: load_config(SelectPosesConfig, ["--config", str(file)])),
    "body model": Reader(_body, Body),
    "table of photos": Reader(_table, list_photos),
    **{f"photo {kind}": Reader(_image(kind), read_cutout) for kind in ("PNG", "WEBP", "TIFF")},
    **{f"mesh {name}": Reader(_mesh(name), _read_mesh) for name in meshes()},
    **{f"fit {name}": Reader(_fit(name), _read_fit) for name in fits()},
    "U-Net config": Reader(_model_part("unet/config.json"), lambda file: outline_unet(_model(file))),
    "VAE config": Reader(_model_part("vae/config.json"), lambda file: load_vae(_model(file))),
    "VAE weights": Reader(
        _model_part("vae/diffusion_pytorch_model.safetensors"), lambda file: load_vae(_model(file))
    ),
    "noise schedule": Reader(
        _model_part("scheduler/scheduler_config.json"), lambda file: load_schedule(_model(file))
    ),
    "prompt embeddings": Reader(_embeddings, lambda file: load_text_embeddings(file.parent, len(VIEW_NAMES), 8)),
    "embeddings beside a model": Reader(_tensors, lambda file: load_text_embeddings(file.parent, 6, 8)),
    "predictor": Reader(_predictor, SkeletonPredictor.load),
    "latents": Reader(_latents, lambda file: open_latents(file.parent)),
    "latents' record": Reader(_latents_record, lambda file: open_latents(file.parent)),
    "vertex colours": Reader(_color_table, lambda file: read_color_table(file, 5)),
    "manifest": Reader(_dataset("manifest.json"), _read_dataset),
    "marker": Reader(_dataset("_COMPLETE"), _read_dataset),
    "shard": Reader(_dataset("shard-000000.tar"), _read_dataset),
    "shard, passed over": Reader(_dataset("shard-000000.tar"), _read_what_is_sound),
}  # fmt: skip


@contextmanager
def nothing_new(folder: Path) -> Iterator[None]:
    """Nothing is created, changed or left behind in ``folder`` by what only reads."""
    before = _listing(folder)
    yield
    assert _listing(folder) == before


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    found = {str(path.relative_to(folder)): path.lstat() for path in sorted(folder.rglob("*"))}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in found.items()}
