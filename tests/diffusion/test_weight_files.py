"""Weight files of any origin: what they hold is compared before a network gets it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.torch_files import read_torch_file
from drpose_ray.core.files.weight_files import load_strictly

WHOLE = {"weight": torch.ones(3, 2), "bias": torch.zeros(3)}


def load(file: Path, dtype: torch.dtype = torch.float32) -> nn.Linear:
    network = nn.Linear(2, 3, device="meta")
    load_strictly(network, file, dtype)
    return network


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"bias": torch.tensor([0.0, torch.nan, 0.0])}, "not finite.*bias.*1 of 3"),
        ({"weight": torch.full((3, 2), torch.inf)}, "not finite.*weight"),
        ({"weight": torch.full((3, 2), 1e9)}, "float16 cannot hold.*weight"),
        ({"bias": torch.zeros(3, dtype=torch.int64)}, "int64"),
        ({"bias": torch.zeros(3, dtype=torch.float8_e4m3fn)}, "float8"),
        ({"bias": torch.zeros(4)}, "other shape"), ({"bias": torch.zeros(3, 1)}, "other shape"),
        ({"more": torch.zeros(1)}, "1 extra"),
    ],
    ids=["nan", "inf", "overflow", "integers", "float8", "longer", "axis", "extra"],
)  # fmt: skip
@pytest.mark.parametrize("ending", [".safetensors", ".bin"])
def test_what_does_not_fit_is_refused_by_name(
    change: dict[str, torch.Tensor], names: str, ending: str, tmp_path: Path
) -> None:
    file = tmp_path / f"w{ending}"
    (save_file if ending == ".safetensors" else torch.save)({**WHOLE, **change}, file)
    with pytest.raises(InputError, match=names):
        load(file, torch.float16)


def test_a_tensor_under_an_old_and_a_new_name_is_refused(tmp_path: Path) -> None:
    save_file({**WHOLE, "old": torch.ones(3)}, tmp_path / "w.safetensors")
    network = nn.Linear(2, 3, device="meta")
    with pytest.raises(InputError, match="given twice"):
        load_strictly(
            network, tmp_path / "w.safetensors", torch.float32, rename=lambda key: "bias" if key == "old" else key
        )


def rewritten(file: Path, compression: int, extra: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(file.with_suffix(".2"), "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
        for name, content in extra.items():
            target.writestr(name, content)
    return file.with_suffix(".2")


def test_archives_of_another_kind_are_refused(tmp_path: Path) -> None:
    torch.save(WHOLE, tmp_path / "w.bin")
    packed = rewritten(tmp_path / "w.bin", zipfile.ZIP_DEFLATED, {})
    with pytest.raises(InputError, match="packed members"):
        read_torch_file(packed)
    program = rewritten(tmp_path / "w.bin", zipfile.ZIP_STORED, {"w/code/a.py": b"", "w/constants.pkl": b""})
    with pytest.raises(InputError, match="a program"):
        read_torch_file(program)


def test_a_tensor_larger_than_what_is_stored_of_it_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1).expand(10**6, 10**6)}, tmp_path / "w.bin")
    assert (tmp_path / "w.bin").stat().st_size < 10_000
    with pytest.raises(InputError, match="not a plain tensor"):
        read_torch_file(tmp_path / "w.bin")


def test_what_git_lfs_leaves_a_legacy_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    pointer = tmp_path / "w.safetensors"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    with pytest.raises(InputError, match="Git LFS"):
        load(pointer)
    stream = io.BytesIO()
    torch.save(WHOLE, stream, _use_new_zipfile_serialization=False)
    (tmp_path / "w.bin").write_bytes(stream.getvalue())
    with pytest.raises(InputError, match="cannot read weights"):
        load(tmp_path / "w.bin")
    (tmp_path / "d.safetensors").mkdir()
    with pytest.raises(InputError):
        load(tmp_path / "d.safetensors" / "x.safetensors")
