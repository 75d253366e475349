"""What was found of one thing that a run needs: a state, what was seen, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drpose_ray.core.errors import InputError, printable, shortened
from drpose_ray.core.files.reading import reason, refusing
from drpose_ray.core.secrets import redact

State = Literal["ok", "missing", "wrong", "unused"]
"""``unused``: not there, and these settings do without. Of the others all but ``ok`` keep a run from working."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    name: str
    state: State
    told: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """E.g. ``missing  SMPL-X body: nothing at data/smplx; remedy: ...``; without credentials of URIs."""
        remedy = f"; remedy: {self.remedy}" if self.remedy else ""
        told = shortened(redact(printable(self.told)))
        return redact(printable(f"{self.state:8} {self.name}: {told}{remedy}"))


def examine(name: str, path: Path, check: Callable[[Path], str]) -> Finding:
    """``check(path)``, whatever it meets: what it says of a good part, or why the part at ``path`` is wrong."""
    remedy = "copy or download it again, completely"
    try:
        # Every reader has its own words for damage; what one has none for must not end the others' examination.
        with refusing(path, name, "it cannot be used", remedy, also=(Exception,)):
            return Finding(name, "ok", f"{path}: {check(path)}")
    except InputError as error:
        found = "" if error.value is None else redact(f" ({error.field}: {error.value!r})")[:200]
        return Finding(name, "wrong", f"{error.file or path}: {error.problem}{found}", error.remedy)
    except OSError as error:  # a disk or a network that fails
        return Finding(name, "wrong", f"{path}: it cannot be read ({reason(error)})", "try again, or copy it elsewhere")
