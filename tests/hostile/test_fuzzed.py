"""What nobody thought of: inputs that hypothesis makes up, as bytes and in the words of each text format."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drpose_ray.core.errors import InputError
from drpose_ray.core.settings.config import load_config
from drpose_ray.diffusion.inference.photo import list_photos
from drpose_ray.poses.job import SelectPosesConfig
from drpose_ray.poses.readers.motions import read_motions
from drpose_ray.scans.config import ScanChecks
from drpose_ray.scans.meshes.mesh_file import read_mesh
from drpose_ray.scans.splits import read_split
from tests.hostile.readers import READERS

fuzz = settings(
    max_examples=60, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-3, 9).map(str), st.integers(-(10**30), 10**30).map(str), st.floats().map(str),
    st.sampled_from(["1e999", "-0", "0x10", "٣", "1_000", "", "NaN", "inf", "1,5"]),
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.just("../../etc/passwd"),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


@contextmanager
def named_or_read() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused: InputError | None = None
        try:
            yield
        except InputError as error:
            refused = error
        assert refused is None or (str(refused).isprintable() and refused.remedy), refused


@pytest.mark.parametrize("reader", READERS)
@settings(fuzz, max_examples=15)
@given(data=st.binary(max_size=300))
def test_bytes(reader: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = READERS[reader].write(Path(folder))
        sound = file.read_bytes()
        for spoilt in (data, sound[:64] + data, data + sound):
            file.write_bytes(spoilt)
            with named_or_read():
                READERS[reader].read(file)


BVH_WORDS = st.one_of(
    st.sampled_from(
        ["HIERARCHY", "ROOT", "JOINT", "End", "Site", "{", "}", "OFFSET", "CHANNELS", "MOTION", "Frames:", "Frame",
         "Time:", "Hips", "Xposition", "Zrotation", "Yrotation", "Wrotation", "\n", "mixamorig:Hips"]
    ),
    NUMBERS,
)  # fmt: skip


@fuzz
@given(words=st.lists(BVH_WORDS, max_size=60), sound=st.booleans())
def test_words_of_bvh(words: list[str], sound: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = READERS["BVH"].write(Path(folder))
        text = file.read_text().split(" ")
        for place, word in enumerate(words):
            if sound:
                text[(place * 37) % len(text)] = word
        file.write_text(" ".join(text if sound else words), encoding="utf-8", errors="surrogatepass")
        with named_or_read():
            read_motions(file, trust_up_axis=True)


OBJ_WORDS = st.one_of(
    st.sampled_from(
        ["v", "vt", "vn", "f", "usemtl", "mtllib", "a.mtl", "/", "1/1", "1//1", "\n", "\\\n", "g", "o", "#"]
    ),
    NUMBERS,
)


@fuzz
@given(words=st.lists(OBJ_WORDS, max_size=80))
def test_words_of_obj(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = READERS["mesh a.obj"].write(Path(folder))
        file.write_text(file.read_text() + "\n" + " ".join(words), encoding="utf-8")
        with named_or_read():
            read_mesh(file, None, ScanChecks(min_faces=1))


PLY_LINES = st.one_of(
    st.sampled_from(["format ascii 1.0", "format binary_little_endian 1.0", "element face 1", "end_header", "comment x",
                     "property float x", "property list uchar int vertex_indices", "property list float float z"]),
    st.builds("element vertex {}".format, NUMBERS), st.builds("property {} {}".format, NUMBERS, NUMBERS),
    st.lists(NUMBERS, max_size=4).map(" ".join),
)  # fmt: skip


@fuzz
@given(lines=st.lists(PLY_LINES, max_size=20))
def test_lines_of_ply(lines: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.ply"
        file.write_text("\n".join(["ply", *lines]) + "\n", encoding="utf-8")
        with named_or_read():
            read_mesh(file, None, ScanChecks(min_faces=1))


@fuzz
@given(rows=st.lists(st.lists(st.text(max_size=12) | st.sampled_from(["image", "name", "a.png", ".."]), max_size=4)))
def test_cells_of_a_table_of_photos(rows: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "photos.csv"
        file.write_text("\n".join(",".join(row) for row in rows), encoding="utf-8", errors="surrogatepass")
        with named_or_read():
            list_photos(file)
        with named_or_read():
            read_split(file)


@fuzz
@given(preset=st.dictionaries(st.sampled_from(["run", "poses", "finetune", "scans", "x", ""]) | st.text(), VALUES))
def test_presets(preset: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.yaml"
        file.write_text(yaml.safe_dump(preset), encoding="utf-8", errors="surrogatepass")
        with named_or_read():
            load_config(SelectPosesConfig, ["--config", str(file)])


@fuzz
@given(
    name=st.sampled_from(
        ["run.seed", "poses.window", "poses.motions", "poses.fps", "run.folder", "poses", "run", "config"]
    ),
    value=st.one_of(SCALARS.map(str), VALUES.map(json.dumps)),
)
def test_flags(name: str, value: str) -> None:
    with named_or_read():
        load_config(SelectPosesConfig, [f"--{name}", value])


@pytest.mark.parametrize(
    "reader", ["U-Net config", "VAE config", "noise schedule", "manifest", "latents' record", "fit fit.json"]
)
@settings(fuzz, max_examples=25)
@given(data=st.data())
def test_fields_of_json(reader: str, data: st.DataObject) -> None:
    """One field of a sound file set to anything."""
    with tempfile.TemporaryDirectory() as folder:
        file = READERS[reader].write(Path(folder))
        values = json.loads(file.read_text())
        values[data.draw(st.sampled_from(sorted(values)) | st.text(max_size=8))] = data.draw(VALUES)
        file.write_text(json.dumps(values))
        with named_or_read():
            READERS[reader].read(file)
