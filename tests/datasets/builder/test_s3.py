from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build, build_shard
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.verify import inspect
from drpose_ray.datasets.manifest import open_dataset, read_manifest
from drpose_ray.datasets.record import SequenceRecord
from drpose_ray.datasets.rows import Manifest
from drpose_ray.datasets.store import s3_store
from drpose_ray.datasets.store.open import open_store
from drpose_ray.datasets.store.s3_store import S3Store
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent
from tests.s3_faults import bad_line

WINDOWS = make_windows(9, clips={2: "half-drawn", 5: "refused"})


@pytest.fixture
def expected(tmp_path: Path) -> dict[str, bytes]:
    """Every file of the dataset when it is built in a folder."""
    build(plan_build(WINDOWS, Stripes(), tmp_path / "plain", 2), Stripes(), silent)
    return {path.name: path.read_bytes() for path in (tmp_path / "plain").iterdir()}


def stored(location: str) -> dict[str, bytes]:
    """Every object below a location, read past the store under test."""
    import boto3

    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + "/")
    return {
        entry["Key"].removeprefix(prefix + "/"): client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
        for page in pages
        for entry in page.get("Contents", ())
    }


def test_a_dataset_in_a_bucket_has_the_bytes_of_one_in_a_folder(s3_location: str, expected: dict[str, bytes]) -> None:
    build(plan_build(WINDOWS, Stripes(), s3_location, 2), Stripes(), silent)
    assert stored(s3_location) == expected
    assert list(inspect(s3_location)) == []
    assert list(S3Store(s3_location)._scratch.iterdir()) == []  # no part and no copy stays on the machine


@pytest.mark.parametrize("seed", range(3))
def test_over_a_bad_line_nothing_is_lost_and_nothing_is_there_twice(
    s3_location: str, expected: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    endpoint = S3Store(s3_location)._client.meta.endpoint_url
    monkeypatch.setattr(s3_store, "READ_TIMEOUT_S", 1.0)
    with bad_line(endpoint, rate=0.35, seed=seed, slow_s=1.5) as line:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{line.server_port}")
        manifest = _insist(s3_location)
    assert line.met.total() >= 10
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert read_manifest(s3_location) == manifest
    assert stored(s3_location) == expected


def _insist(location: str) -> Manifest:
    """A person at the line: runs the command again when it says that the store does not answer."""
    for _ in range(5):
        try:
            return build(plan_build(WINDOWS, Stripes(), location, 2), Stripes(), silent)
        except InputError as error:
            if "object store" not in str(error):
                raise
    raise AssertionError("five attempts were not enough")


def test_a_shard_torn_by_a_builder_that_died_is_replaced(s3_location: str, expected: dict[str, bytes]) -> None:
    import boto3

    plan = plan_build(WINDOWS, Stripes(), s3_location, 2)
    bucket, _, prefix = s3_location.removeprefix("s3://").partition("/")
    whole = expected["shard-000001.tar"]
    open_dataset(plan.location, plan.identity)
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/shard-000001.tar", Body=whole[: len(whole) // 2])
    build(plan, Stripes(), silent)
    assert stored(s3_location) == expected


def test_large_files_go_up_in_pieces_and_the_first_one_stays(
    s3_location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_store, "MULTIPART_FROM", 5 * 2**20)  # the least that S3 allows
    store, file = S3Store(s3_location), tmp_path / "large"
    contents = [bytes([color]) * (12 * 2**20 + 5) for color in (1, 1, 2)]
    for content, stays in zip(contents, (True, True, False), strict=True):
        file.write_bytes(content)
        assert store.create("large", file) is stays
    assert stored(s3_location) == {"large": contents[0]}


class Slow(Stripes):
    """Ends its shard only after the other builder has."""

    def __init__(self, other: threading.Event, color: int) -> None:
        super().__init__(color)
        self.other = other

    def settings(self) -> dict[str, Any]:
        return {"seed": 0}  # as if on another kind of GPU: the same settings, other pixels

    def make(self, window: PoseWindow) -> SequenceRecord:
        self.other.wait(30)
        return super().make(window)


@pytest.mark.parametrize("place", ["bucket", "folder"])
def test_of_two_builders_of_a_shard_the_first_wins_and_both_say_the_same(
    place: str, request: pytest.FixtureRequest, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    location = request.getfixturevalue("s3_location") if place == "bucket" else str(tmp_path / "race")
    first_done = threading.Event()
    plan = plan_build(WINDOWS[:2], Stripes(), location, 2)
    open_dataset(plan.location, plan.identity)
    slow = Slow(first_done, color=1)
    rows = []
    late = threading.Thread(target=lambda: rows.append(build_shard(plan, 0, slow)))
    late.start()
    part = f"shard-000000.tar.{plan.identity.origin(0)}"
    while not open_store(location).parts(part):
        pass
    # A builder elsewhere: its parts have another name, and both have begun.
    rows.append(build_elsewhere(plan_build(WINDOWS[:2], Stripes(), location, 2)))
    first_done.set()
    late.join()
    assert rows[0] == rows[1] and rows[0].sha256 in expected["shard-000000.json"].decode()
    manifest = build(plan, Stripes(), silent)
    assert manifest.frames_ok == 6 and list(inspect(location)) == []


def build_elsewhere(plan: Any) -> Any:
    """``build_shard`` as another process would do it."""
    from drpose_ray.datasets.store import store

    name = store.this_writer
    try:
        store.this_writer = s3_store.this_writer = lambda: "another-host.1"
        return build_shard(plan, 0, Stripes())
    finally:
        store.this_writer = s3_store.this_writer = name


def test_a_bucket_that_is_not_there_is_named(s3_environment: str, tmp_path: Path) -> None:
    plan_location = "s3://no-such-bucket/data"
    with pytest.raises(InputError, match=r"NoSuchBucket.*s3://no-such-bucket/data.*check bucket"):
        build(plan_build(WINDOWS, Stripes(), plan_location, 2), Stripes(), silent)
    with pytest.raises(InputError, match="not a place in a bucket"):
        plan_build(WINDOWS, Stripes(), "s3://bucket-alone", 2)
