"""The one error that bad input raises: it names the file, the field, the value and the remedy.

And what of other errors is said in its words: a disk that is full, and refusals that Ray carries inside its own errors.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drpose_ray.core.secrets import redact

_LONGEST = 300


class InputError(ValueError):
    """Input that cannot work, refused in the user's words. Jobs print it and exit with status 2.

    Attributes hold the parts of the message so that tests and callers need not parse it. The message has no credentials
    of URIs in it.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | Path | None = None,
        field: str | None = None,
        value: object = None,
        remedy: str,
    ) -> None:
        self.problem, self.file, self.field, self.value, self.remedy = problem, file, field, value, remedy
        parts = [problem]
        if file is not None:
            parts.append(f"file: {file}")
        if field is not None:
            parts.append(f"field: {field}")
        if value is not None:
            parts.append(f"value: {_shown(value)}")
        parts.append(f"remedy: {remedy}")
        super().__init__("; ".join(shortened(redact(printable(part))) for part in parts))

    def __reduce__(self) -> tuple[object, ...]:
        # Ray carries errors between processes by pickle, and BaseException's default would drop the keywords.
        return _rebuild, (self.parts(),)

    def parts(self) -> dict[str, Any]:
        """The arguments that make this error again."""
        return {name: getattr(self, name) for name in ("problem", "file", "field", "value", "remedy")}


class AnotherRunError(InputError):
    """A folder holds a run begun under something else. It is refused before anything is made, so the folder's records
    stay those of the run that it holds.
    """


def printable(text: str) -> str:
    """``text`` with what would move a terminal's cursor or end the line written as escapes: names come from data."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _shown(value: object) -> str:
    """``value`` on one line, however long it is: a message has to be read."""
    try:
        text = redact(repr(value))  # before it is cut: half a URI is not known for one
    except (ValueError, RecursionError):  # a number of more digits than Python prints
        return f"a very long {type(value).__name__}"
    return shortened(text, _LONGEST)


def shortened(text: str, longest: int = 2000) -> str:
    """The beginning of a text that nobody would read to its end, and how long it is; shorter ones as they are."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def _rebuild(parts: dict[str, Any]) -> InputError:
    return InputError(**parts)


def no_space(folder: Path | None, error: BaseException) -> InputError:
    """What to say of a run that could not write its files into ``folder``, or where the error says, if that is None."""
    if folder is None:
        names = [one.filename for one in carried(error) if isinstance(one, OSError) and isinstance(one.filename, str)]
        folder = Path(names[0]).parent if names else None
    return InputError(
        "no space left for the files of the run; what it finished, such as its last whole checkpoint, is kept",
        file=folder,
        field="run.folder",
        value=str(error)[:200],
        remedy="free space, then run the same command again: it continues from there",
    )


_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_SAID_BY_LIBRARIES = (
    "No space left on device",
    "Disk quota exceeded",
    "database or disk is full",
    "PytorchStreamWriter",
)
"""SafeTensors, Arrow, SQLite and torch drop the number of the error that their write met."""


def is_no_space(error: BaseException) -> bool:
    """Whether ``error``, or one that it carries, is a write to a disk or quota that is full."""
    return any(
        (isinstance(one, OSError) and one.errno in _NO_SPACE) or any(text in str(one) for text in _SAID_BY_LIBRARIES)
        for one in carried(error)
        if not isinstance(one, InputError)
    )


def refusal_in(error: BaseException) -> InputError | None:
    """The InputError that ``error`` is or carries, as itself.

    What a task, an actor or a trainer of Ray raises arrives inside errors of Ray's own, one in another, or as a double
    of its class whose message is a traceback.
    """
    for one in carried(error):
        if isinstance(one, InputError):
            return one if type(one) is InputError else _rebuild(one.parts())
    return None


def carried(error: BaseException) -> Iterator[BaseException]:
    """``error`` and the errors inside it, under the names by which Ray and Python carry them, outermost first."""
    seen: set[int] = set()
    following: list[object] = [error]
    while following:
        one = following.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        following += [getattr(one, "cause", None), getattr(one, "controller_failure", None), one.__cause__]
        following += dict(getattr(one, "worker_failures", {})).values()


def missing_weights(path: Path) -> str:
    """What to do about weights that are not at ``path``."""
    if "small" in path.parts:
        return "they come with the repository: start the job in its folder, or name them by their whole path"
    if path.suffix == ".json":
        return f"put the published model there, a Hugging Face folder with its {path.name}, or name where it is"
    return "name an existing file of weights; the small twin's is weights/small/predictor.safetensors"
