"""Every field of every configuration file of a model folder, given strange values: it loads, or one line says no."""

from __future__ import annotations

import json
import math
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.diffusion.published import layout
from drpose_ray.diffusion.published.model_index import MARKER, read_index
from drpose_ray.diffusion.unet.unet_config import read_unet_config
from drpose_ray.synthesis.mimo.layout import UNET_CONFIG, outline_mimo
from tests.diffusion.published_checkpoint import CLIP, NOISING, SCHEDULER, VAE
from tests.diffusion.published_configs import ERA3D_TINY, PSHUMAN_TINY
from tests.synthesis.mimo import tiny

ABSENT = object()
STRANGE: tuple[Any, ...] = (
    ABSENT, None, True, False, -1, 0, 1, 3, 10**9, 10**30, 0.5, -1e9, math.nan, math.inf, "", "os.system",
    "https://example.com/x", "../../x", "A" * 100_000, [], [0], [10**9] * 4, [math.nan], ["DownBlock2D"] * 1000, {},
    {"_target_": "os.system"}, [[[[1]]]],
)  # fmt: skip
PREPROCESSOR: dict[str, Any] = {
    "do_resize": True, "do_center_crop": True, "do_rescale": True, "do_normalize": True, "resample": 3,
    "size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28},
    "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip
INDEX: dict[str, Any] = {"_class_name": "StableUnCLIPImg2ImgPipeline", "unet": ["a", "UNetMV2DConditionModel"]}


def published(unet: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        MARKER: INDEX, "unet/config.json": unet, "vae/config.json": VAE, "image_encoder/config.json": CLIP,
        "image_normalizer/config.json": {"embedding_dim": 18}, "scheduler/scheduler_config.json": SCHEDULER,
        "image_noising_scheduler/scheduler_config.json": NOISING,
        "feature_extractor/preprocessor_config.json": PREPROCESSOR,
    }  # fmt: skip


def shipped() -> dict[str, dict[str, Any]]:
    folder = Path(__file__).resolve().parents[2] / "weights" / "small" / "i2mv"
    return {str(path.relative_to(folder)): json.loads(path.read_text()) for path in folder.rglob("*.json")}


MODELS = {
    "shipped": shipped(), "pshuman": published(PSHUMAN_TINY), "era3d": published(ERA3D_TINY),
    "mimo": {
        str(UNET_CONFIG): {"_class_name": "UNet2DConditionModel", **tiny.UNET}, "sd-vae-ft-mse/config.json": tiny.VAE,
        "image_encoder/config.json": tiny.CLIP,
    },
}  # fmt: skip
FIELDS = [(model, file, field) for model, files in MODELS.items() for file, values in files.items() for field in values]
# What the files need not hold, and an attacker may add.
ADDED = [
    ("era3d", "unet/config.json", "encoder_hid_dim_type"), ("era3d", "unet/config.json", "time_embedding_dim"),
    ("era3d", "unet/config.json", "dropout"), ("era3d", "unet/config.json", "attention_type"),
    ("era3d", "vae/config.json", "pixel_patch"), ("era3d", "vae/config.json", "latents_mean"),
    ("era3d", "vae/config.json", "scaling_factor"), ("era3d", "image_encoder/config.json", "attn_implementation"),
    ("era3d", "image_encoder/config.json", "_attn_implementation_internal"),
    ("era3d", "image_encoder/config.json", "auto_map"), ("era3d", "image_encoder/config.json", "vision_config"),
    ("era3d", "scheduler/scheduler_config.json", "rescale_betas_zero_snr"), ("era3d", MARKER, "vae"),
    ("mimo", str(UNET_CONFIG), "encoder_hid_dim"), ("mimo", str(UNET_CONFIG), "addition_embed_type"),
]  # fmt: skip


_BUILT: set[str] = set()
"""Networks of equal configurations are built once."""


def outline(model: str, folder: Path, file: str = MARKER) -> None:
    """All that loading does of the configurations before it reads weights; of the networks only what ``file`` is of."""
    if model == "mimo":
        outline_mimo(folder)
        return
    read_index(folder)
    layout.refuse_unfitting(folder)
    layout.load_schedule(folder)
    part = file.split("/", maxsplit=1)[0]
    if part == "vae":
        layout.outline_vae(folder)
    elif part == "unet":
        config_file = folder / "unet" / "config.json"
        description = repr(read_unet_config(json.loads(config_file.read_text()), config_file))
        if description not in _BUILT:
            layout.outline_unet(folder)
            _BUILT.add(description)
    elif part != "scheduler":
        layout.outline_image_encoder(folder)


def refusal(model: str, folder: Path, file: str) -> InputError | None:
    try:
        outline(model, folder, file)
    except InputError as error:
        return error
    return None


def write(files: dict[str, dict[str, Any]], folder: Path) -> Path:
    for name, values in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: write(files, tmp_path_factory.mktemp(name)) for name, files in MODELS.items()}


@pytest.mark.parametrize("model", MODELS)
def test_the_folders_as_they_are_load(model: str, folders: dict[str, Path]) -> None:
    for file in MODELS[model]:
        outline(model, folders[model], file)


@pytest.mark.parametrize(("model", "file", "field"), FIELDS + ADDED)
@pytest.mark.filterwarnings("ignore")
def test_strange_values_load_or_are_refused_by_file_and_field(
    model: str, file: str, field: str, folders: dict[str, Path]
) -> None:
    path, values = folders[model] / file, MODELS[model][file]
    try:
        for strange in STRANGE:
            changed = {**values, field: strange}
            if strange is ABSENT:
                del changed[field]
            path.write_text(json.dumps(changed))
            refused = refusal(model, folders[model], file)
            if refused is not None:
                assert refused.file is not None and refused.field, f"{strange!r:.60}: {refused}"
                assert len(str(refused)) < 1000 and "\n" not in str(refused), f"{strange!r:.60}"
    finally:
        path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b'"x"', b"{", b"[" * 100_000, b'{"a": ' * 50_000, b"\xff\xfe{", b"\x00" * 100],
    ids=["empty", "list", "null", "string", "cut", "deep", "deeper", "utf16", "zeros"],
)  # fmt: skip
@pytest.mark.parametrize("file", [MARKER, "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"])
def test_files_that_are_no_json_objects_are_refused(content: bytes, file: str, folders: dict[str, Path]) -> None:
    path = folders["era3d"] / file
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        with pytest.raises(InputError) as refused:
            outline("era3d", folders["era3d"], file)
        assert refused.value.file == path and "\n" not in str(refused.value)
    finally:
        path.write_bytes(before)


def test_a_device_in_place_of_a_configuration_is_refused_at_once(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["era3d"], tmp_path / "m")
    (folder / "vae" / "config.json").unlink()
    (folder / "vae" / "config.json").symlink_to("/dev/zero")
    started = time.monotonic()
    with pytest.raises(InputError):
        outline("era3d", folder)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("file", "change", "field"),
    [
        ("unet/config.json", {"in_channels": 9}, "in_channels"),
        ("unet/config.json", {"sample_size": 20}, "sample_size"),
        ("unet/config.json", {"sample_size": 1000}, "sample_size"),
        ("vae/config.json", {"latent_channels": 8}, "out_channels"),
        ("image_encoder/config.json", {"projection_dim": 20}, "projection_class_embeddings_input_dim"),
        ("image_normalizer/config.json", {"embedding_dim": 20}, "embedding_dim"),
        ("feature_extractor/preprocessor_config.json", {"image_mean": [0.5, 0.5, 0.5]}, "image_mean"),
        ("feature_extractor/preprocessor_config.json", {"size": {"shortest_edge": 29}}, "size"),
    ],
)
def test_components_that_do_not_fit_each_other_are_named(
    file: str, change: dict[str, Any], field: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["era3d"], tmp_path / "m")
    (folder / file).write_text(json.dumps({**MODELS["era3d"][file], **change}))
    with pytest.raises(InputError) as refused:
        outline("era3d", folder, file)
    assert refused.value.field == field


def test_what_a_library_would_fetch_or_allocate_does_not_reach_it(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(folders["era3d"], tmp_path / "m")
    fetching = {**CLIP, "attn_implementation": "somebody/kernel", "auto_map": {"AutoModel": "somebody/code--x.Y"}}
    (folder / "image_encoder" / "config.json").write_text(json.dumps(fetching))
    config = layout.outline_image_encoder(folder).clip.config
    assert config._attn_implementation != "somebody/kernel" and not hasattr(config, "auto_map")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layout.outline_image_encoder(folder)
