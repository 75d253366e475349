"""A dataset in an S3 bucket: conditional creation, and every byte read back before it counts as stored.

Credentials, region and endpoint (``AWS_ENDPOINT_URL``) are found as boto3 finds them. A bucket of datasets
should have a lifecycle rule that removes unfinished multipart uploads: a killed builder leaves its last one.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256
from drpose_ray.core.files.reading import is_hidden
from drpose_ray.datasets.store.scratch import private_folder, sweep_unused
from drpose_ray.datasets.store.store import MAX_READ_BYTES, STALE_AFTER_S, this_writer, writer_is_gone

MULTIPART_FROM: Final = 64 * 2**20
"""Bytes from which an object goes up in pieces of this size: a fault then costs one piece."""

READ_TIMEOUT_S: Final = 60.0
"""A store that says nothing for so long is asked again."""

_UPLOADS: Final = 4
"""How often an upload that reads back wrong is made again."""

_DOWNLOADS: Final = 6
"""How often an answer that breaks off is asked for again."""

_TAKEN: Final = ("PreconditionFailed", "412")
_BUSY: Final = ("ConditionalRequestConflict", "409")
_MISSING: Final = ("NoSuchKey", "404", "NotFound")


class S3Store:
    """Implements ``Store``. Parts are local; ``save_part`` keeps a copy in the bucket for other machines."""

    def __init__(self, location: str) -> None:
        """``location`` is ``s3://bucket/prefix``."""
        bucket, _, prefix = location.removeprefix("s3:").strip("/").partition("/")
        if not bucket or not prefix:
            raise InputError(
                "not a place in a bucket", field="location", value=location, remedy="write s3://bucket/folder"
            )
        if "@" in bucket:  # libraries would repeat the name of the bucket, and the credentials with it
            raise InputError(
                "credentials in the name of a bucket", field="location", value=location,
                remedy="write s3://bucket/folder; credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )  # fmt: skip
        self.location = f"s3://{bucket}/{prefix}"
        self._bucket, self._prefix = bucket, prefix + "/"

    def sizes(self) -> dict[str, int]:
        names = ((entry["Key"].removeprefix(self._prefix), entry["Size"]) for entry in self._entries())
        return {name: size for name, size in names if not is_hidden(name)}

    def size(self, name: str) -> int | None:
        with self._clear_errors(name):
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
            except Exception as error:
                if _code(error) in _MISSING:
                    return None
                raise
            return int(head["ContentLength"])

    def read(self, name: str) -> bytes | None:
        size = self.size(name)
        if size is None:
            return None
        if size > MAX_READ_BYTES:
            raise InputError(
                f"the object is larger than {MAX_READ_BYTES} bytes", file=f"{self.location}/{name}", field="size",
                value=size, remedy="look at what lies there",
            )  # fmt: skip
        blocks: list[bytes] = []
        return b"".join(blocks) if self._consume(name, blocks.append, blocks.clear) else None

    def sha256(self, name: str) -> str | None:
        """Of what the store gives back: neither its checksums nor its answers are taken for it."""
        digests: list[hashlib._Hash] = []  # one per attempt

        def take(block: bytes) -> None:
            digests[-1].update(block)

        found = self._consume(name, take, lambda: digests.append(hashlib.sha256()))
        return digests[-1].hexdigest() if found else None

    def fetch(self, name: str) -> Path:
        path = self._own(f"{name}.fetched.{this_writer()}")
        with self._clear_errors(name):
            try:
                self._client.download_file(self._bucket, self._prefix + name, str(path))
            except Exception as error:
                if _code(error) in _MISSING:
                    raise FileNotFoundError(f"{self.location}/{name}") from error
                raise
        return path

    def create(self, name: str, file: Path) -> bool:
        wanted = file_sha256(file)
        for _ in range(_UPLOADS):
            mine = self._put_if_new(name, file, wanted)
            stored = self.sha256(name)
            if stored == wanted:  # also when an earlier try was stored and its answer lost
                file.unlink()
                return True
            if not mine and stored is not None:
                return False
            if stored is not None:
                self.delete(name)  # the answer was "stored", yet the bytes are others
        raise InputError(
            "the object store gives back other bytes than were written",
            file=f"{self.location}/{name}",
            field="sha256",
            value=stored,
            remedy="look at the store; the build goes on where it was when it is run again",
        )

    def write(self, name: str, data: bytes) -> None:
        wanted = hashlib.sha256(data).hexdigest()
        for _ in range(_UPLOADS):
            with self._clear_errors(name):
                self._client.put_object(
                    Bucket=self._bucket, Key=self._prefix + name, Body=data, ChecksumSHA256=_base64(wanted)
                )
            if self.sha256(name) == wanted:
                return
        raise InputError(
            "the object store gives back other bytes than were written",
            file=f"{self.location}/{name}",
            remedy="look at the store, then run the same command again",
        )

    def delete(self, name: str) -> None:
        with self._clear_errors(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def part(self, name: str) -> Path:
        return self._own(f"{name}.part.{this_writer()}")

    def save_part(self, name: str) -> None:
        part = self.part(name)
        if part.exists():
            with self._clear_errors(part.name):
                self._client.upload_file(str(part), self._bucket, self._prefix + part.name)

    def parts(self, name: str) -> list[Path]:
        local = set(self._scratch.glob(f"{name}.part.*"))
        known = {path.name for path in local}
        for entry in self._entries(f"{name}.part."):
            stored = entry["Key"].removeprefix(self._prefix)
            if stored not in known:
                with contextlib.suppress(FileNotFoundError):
                    local.add(self.fetch(stored))
        return sorted(local)

    def sweep(self, name: str | None = None) -> None:
        if name is not None:
            own = self.part(name)
            own.unlink(missing_ok=True)
            self.delete(own.name)
            return
        for path in self._scratch.glob("*"):
            if path.name.endswith(f".fetched.{this_writer()}") or writer_is_gone(path):
                path.unlink(missing_ok=True)
        for entry in self._entries("shard-"):
            stored = entry["Key"].removeprefix(self._prefix)
            age = (datetime.now(UTC) - entry["LastModified"]).total_seconds()
            sidecar = stored.partition(".tar")[0] + ".json"
            if ".part." in stored and (age > STALE_AFTER_S or self.read(sidecar)):
                self.delete(stored)

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 8},
            s3={"addressing_style": "path"},
            connect_timeout=10,
            read_timeout=READ_TIMEOUT_S,
        )
        return boto3.client("s3", config=config)

    @cached_property
    def _scratch(self) -> Path:
        """Where parts and fetched files lie on this machine; copies that a killed process fetched are removed."""
        root = private_folder("s3")
        sweep_unused(root)
        folder = root / hashlib.sha256(self.location.encode()).hexdigest()[:16]
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in folder.glob("*.fetched.*"):
            if writer_is_gone(path):
                path.unlink(missing_ok=True)
        return folder

    def _own(self, name: str) -> Path:
        return self._scratch / name

    def _entries(self, prefix: str = "") -> Iterator[dict[str, Any]]:
        with self._clear_errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                yield from page.get("Contents", ())

    def _put_if_new(self, name: str, file: Path, sha256: str) -> bool:
        """One conditional upload; False if the name is taken, be it by an earlier try of this very upload."""
        key = {"Bucket": self._bucket, "Key": self._prefix + name}
        with self._clear_errors(name):
            try:
                if file.stat().st_size < MULTIPART_FROM:
                    with file.open("rb") as body:
                        self._client.put_object(**key, Body=body, ChecksumSHA256=_base64(sha256), IfNoneMatch="*")
                else:
                    self._put_in_pieces(key, file)
            except Exception as error:
                if _code(error) in (*_TAKEN, *_BUSY):
                    return False
                raise
        return True

    def _put_in_pieces(self, key: dict[str, str], file: Path) -> None:
        upload = {**key, "UploadId": self._client.create_multipart_upload(**key)["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            with file.open("rb") as stream:
                while piece := stream.read(MULTIPART_FROM):
                    number = len(parts) + 1
                    answer = self._client.upload_part(**upload, PartNumber=number, Body=piece)
                    parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
        except BaseException:
            with contextlib.suppress(Exception):  # the first error says more; a lifecycle rule removes what stays
                self._client.abort_multipart_upload(**upload)
            raise

    def _consume(self, name: str, take: Callable[[bytes], object], begin: Callable[[], object]) -> bool:
        """Hand an object to ``take`` block by block, from the beginning after each break; False if there is none."""
        for attempt in range(_DOWNLOADS):
            begin()
            with self._clear_errors(name):
                try:
                    body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
                    for block in body.iter_chunks(2**20):
                        take(block)
                except self._client.exceptions.NoSuchKey:
                    return False
                except _broken_streams():  # boto3 tries requests again, not bodies that break off
                    if attempt == _DOWNLOADS - 1:
                        raise
                    continue
                return True
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _clear_errors(self, name: str) -> Iterator[None]:
        """Say what is wrong with the bucket or the way to it; a lost precondition is no error."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, *_broken_streams()) as error:
            if _code(error) in (*_TAKEN, *_BUSY, *_MISSING) and not _is_bucket_missing(error):
                raise
            raise InputError(
                f"the object store does not answer as it should ({error})",
                file=f"{self.location}/{name}",
                remedy="check bucket, credentials and AWS_ENDPOINT_URL, then run the same command again: it goes on",
            ) from error


def _code(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _is_bucket_missing(error: Exception) -> bool:
    return _code(error) == "NoSuchBucket"


def _broken_streams() -> tuple[type[Exception], ...]:
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
    from urllib3.exceptions import HTTPError  # botocore lets some of the transport's own errors through

    return (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, ConnectionError, HTTPError)


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
