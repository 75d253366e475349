"""Which scans can be used and what is wrong with the others, as text that goes from one process to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from drpose_ray.core.errors import InputError, printable
from drpose_ray.scans.scan import Scan

MOST_DEATHS: Final = 5
"""Of workers, while they read one scan."""


class BrokenScan(BaseModel):
    """A scan that cannot be used, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan_id: str
    file: str
    field: str
    problem: str


class CheckedScan(BaseModel):
    """What is known of a scan once it was read; ``message`` holds the whole refusal with its remedy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scan_id: str
    broken: BrokenScan | None = None
    message: str = ""


def check_scan(load: Callable[[str], Scan], scan_id: str) -> CheckedScan:
    """Read the scan of that id and say whether it can be used: what ``load`` raises for it is in the answer."""
    try:
        load(scan_id)
    except InputError as error:
        refused = error
    except (OSError, MemoryError) as error:  # of the machine, not of the scan: still, a check goes on with the others
        refused = InputError(
            f"not read, for a reason that may pass ({type(error).__name__}: {error})",
            file=getattr(error, "filename", None), field="file", remedy="see to disk and memory, then check again",
        )  # fmt: skip
    else:
        return CheckedScan(scan_id=scan_id)
    file = "" if refused.file is None else Path(refused.file).name
    broken = BrokenScan(
        scan_id=scan_id, file=printable(file), field=printable(str(refused.field)), problem=printable(refused.problem)
    )
    return CheckedScan(scan_id=scan_id, broken=broken, message=str(refused))


def scan_checker(load: Callable[[str], Scan], reading: Path | None = None) -> Callable[[str], str]:
    """``check_scan`` for ``drpose_ray.core.on_ray.map_in_pools``: id after id, each answer as JSON.

    Args:
        reading: A folder for this run alone, where a mark says that a scan is being read. A scan that ends whoever
            reads it, as one that fills the memory does, is handed to the next, and so on; after
            :data:`MOST_DEATHS` marks it is broken. On machines that do not share the folder, each counts its own.
    """

    def checked(scan_id: str) -> str:
        if reading is None:
            return check_scan(load, scan_id).model_dump_json()
        marks = reading / scan_id
        if marks.exists() and marks.stat().st_size >= MOST_DEATHS:
            return _given_up(scan_id).model_dump_json()
        reading.mkdir(parents=True, exist_ok=True)
        with marks.open("ab") as stream:
            stream.write(b".")
        answer = check_scan(load, scan_id).model_dump_json()
        marks.unlink(missing_ok=True)
        return answer

    return checked


def _given_up(scan_id: str) -> CheckedScan:
    problem = f"{MOST_DEATHS} workers ended while they read it"
    message = InputError(problem, field="scan", value=scan_id, remedy="give workers more memory, or leave the scan out")
    broken = BrokenScan(scan_id=scan_id, file="", field="scan", problem=problem)
    return CheckedScan(scan_id=scan_id, broken=broken, message=str(message))
