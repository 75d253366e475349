"""Fits are pickles: what an honest one holds is read, and nothing that a dishonest one asks for is done."""

from __future__ import annotations

import os
import pickle
import pickletools
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.scans.fits.pickled_arrays import load_pickled_arrays

LIMIT = 2**23
FIT = {
    "betas": np.arange(10, dtype=np.float32)[None],
    "body_pose": np.linspace(-1, 1, 63)[None],
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">f4"),
    "ints": np.array([[1, -2], [3, 4]]),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 3), np.float32),
    "scale": np.float32(0.5),
    "zero_dimensional": np.array(2.5),
    "name": "0461",
    "numbers": [1, 2.5, -3, None, True],
    "pair": (1, np.ones(2)),
    "inner": {"x": np.zeros(1)},
}


def same(a: object, b: object) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | np.generic):
        return np.shape(a) == np.shape(b) and np.array_equal(np.asarray(a), np.asarray(b))
    return a == b


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_numpy_dicts_of_every_protocol_are_read_as_pickle_would(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "fit.pkl"
    file.write_bytes(pickle.dumps(FIT, protocol=protocol))
    read = load_pickled_arrays(file, LIMIT)
    assert same(FIT, read)
    assert read["big_endian"].astype(float).tolist() == [0, 1, 2]


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_the_old_and_the_new_name_of_numpys_module_are_known(tmp_path: Path, protocol: int) -> None:
    data = pickle.dumps({"a": np.ones((2, 2))}, protocol=protocol)
    assert b"numpy._core" in data
    # Protocol 4 counts the bytes of its frame and its names; both shrink by one.
    old = pickletools.optimize(data.replace(b"numpy._core", b"numpy.core")) if protocol < 4 else None
    if old is None:
        index = data.index(b"numpy._core")
        old = bytearray(data.replace(b"numpy._core", b"numpy.core"))
        old[index - 1] -= 1
        old[3] -= 1  # the frame's length, little endian, begins after PROTO x and FRAME
    file = tmp_path / "fit.pkl"
    file.write_bytes(bytes(old))
    assert load_pickled_arrays(file, LIMIT)["a"].tolist() == [[1, 1], [1, 1]]


def test_a_python_2_pickle_is_read(tmp_path: Path) -> None:
    """Such files hold the raw numbers as text of one byte a character."""
    raw = np.array([1.5, -2.0]).tobytes()
    data = (
        b"\x80\x02}q\x01U\x05scaleq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
        b"U\x01bq\x05\x87q\x06Rq\x07(K\x01K\x02\x85cnumpy\ndtype\nq\x08U\x02f8q\x09K\x00K\x01\x87q\x0aRq\x0b(K\x03U"
        b"\x01<q\x0cNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbI00\nU\x10" + raw + b"tbs."
    )
    assert pickle.loads(data, encoding="latin1")["scale"].tolist() == [1.5, -2.0]
    file = tmp_path / "fit.pkl"
    file.write_bytes(data)
    assert load_pickled_arrays(file, LIMIT)["scale"].tolist() == [1.5, -2.0]


class Runs:
    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple[object, ...]:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("call", [(os.system, "touch ran"), (eval, "open('ran', 'w')"), (np.load, "ran")])
def test_what_a_pickle_asks_to_run_is_refused_and_not_run(
    tmp_path: Path, protocol: int, call: tuple[object, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "fit.pkl"
    file.write_bytes(pickle.dumps({"betas": Runs(*call), "scale": np.ones(1)}, protocol=protocol))
    with pytest.raises(InputError, match="asks for") as caught:
        load_pickled_arrays(file, LIMIT)
    assert caught.value.file == file
    assert not (tmp_path / "ran").exists()


def test_no_module_is_imported_by_reading(tmp_path: Path) -> None:
    file = tmp_path / "fit.pkl"
    file.write_bytes(b"\x80\x04\x8c\x0aantigravity\x8c\x03fly\x93.".replace(b"\x0aanti", b"\x0banti"))
    with pytest.raises(InputError):
        load_pickled_arrays(file, LIMIT)
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        pickle.dumps(FIT)[:-20],
        b"cnumpy\nndarray\n.",  # a function as the value
        b"}(X\x01\x00\x00\x00acnumpy\nndarray\nu.",
        b"(lp0\ng0\n.",
        pickle.dumps([1, 2]),
        pickle.dumps({1: 2}),
        pickle.dumps({"a": np.array([object()])}),
        pickle.dumps({"a": np.zeros(2, [("x", "f4")])}),
        pickle.dumps({"a": {1, 2}}),
        b"P1\n.",
        b"\x80\x02\x82\x01.",
        b"(i__builtin__\neval\n.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR.",  # no contents
    ],
)
def test_what_is_no_dict_of_arrays_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "fit.pkl"
    file.write_bytes(data)
    with pytest.raises(InputError):
        load_pickled_arrays(file, LIMIT)


def test_an_array_that_says_it_is_larger_than_its_bytes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fit.pkl"
    data = pickle.dumps({"a": np.zeros(3)}, protocol=2)
    file.write_bytes(data.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"))
    with pytest.raises(InputError, match="shape"):
        load_pickled_arrays(file, LIMIT)


def test_bombs_cost_no_time(tmp_path: Path) -> None:
    """Values that refer to themselves over and over: 2**60 elements when walked, printed, compared or hashed."""
    laughs = b"\x80\x02}X\x01\x00\x00\x00a)q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60)) + b"s."
    key = b"\x80\x02})q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(60)) + b"K\x01s."
    lists: list[object] = []
    for _ in range(60):
        lists = [lists, lists]
    endless = b"\x80\x02" + b"K\x01" * 300_000 + b"."
    start = time.process_time()
    for data in (laughs, key, endless):
        file = tmp_path / "fit.pkl"
        file.write_bytes(data)
        with pytest.raises(InputError):
            load_pickled_arrays(file, LIMIT)
    file.write_bytes(pickle.dumps({"a": lists}))
    assert len(load_pickled_arrays(file, LIMIT)["a"]) == 2, "references cost nothing until they are walked"
    assert time.process_time() - start < 5


def test_copies_of_one_value_over_and_over_are_refused(tmp_path: Path) -> None:
    """64 kB copied thirty thousand times would be two gigabytes."""
    text = b"X\x00\x00\x01\x00" + b"a" * 2**16 + b"q\x000"
    encode = b"c_codecs\nencode\nq\x010X\x06\x00\x00\x00latin1q\x020" + text
    encoded = b"\x80\x02" + encode + b"]q\x03" + b"h\x01h\x00h\x02\x86Ra" * 30_000 + b"."
    tuples = b"\x80\x02(" + b"K\x01" * 30_000 + b"tq\x000]" + b"h\x00a" * 50_000 + b"."
    nested = b"\x80\x02" + encode + b"]q\x04" + b"](h\x04h\x04eq\x04" * 60 + b"0h\x01h\x04h\x02\x86R."
    file = tmp_path / "fit.pkl"
    for data, why in ((encoded, "room"), (tuples, "room"), (nested, "do not make")):
        file.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(InputError, match=why):
            load_pickled_arrays(file, 2**20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**26


def test_a_large_or_missing_file_and_torch_tensors_are_named(tmp_path: Path) -> None:
    file = tmp_path / "fit.pkl"
    with pytest.raises(InputError, match="cannot be read"):
        load_pickled_arrays(file, LIMIT)
    file.write_bytes(pickle.dumps({"a": np.zeros(1000)}))
    with pytest.raises(InputError, match="larger than 100 bytes"):
        load_pickled_arrays(file, 100)
    import torch

    file.write_bytes(pickle.dumps({"betas": torch.zeros(2)}))
    with pytest.raises(InputError) as caught:
        load_pickled_arrays(file, LIMIT)
    assert "torch tensors" in caught.value.remedy and "np.savez" in caught.value.remedy
