"""From where a dataset lies to what reads and writes it there."""

from __future__ import annotations

from pathlib import Path

from drpose_ray.datasets.store.s3_store import S3Store
from drpose_ray.datasets.store.store import FolderStore, Store


def open_store(location: Path | str) -> Store:
    """The store at ``location``; nothing is written or even looked at yet. As a Path ``s3://`` has become ``s3:/``."""
    if str(location).startswith("s3:/"):
        return S3Store(str(location))
    return FolderStore(Path(location))
