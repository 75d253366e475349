"""The one error that bad input raises: it names the file, the field, the value and the remedy."""

from __future__ import annotations

from pathlib import Path


class InputError(ValueError):
    """Input that cannot work, refused in the user's words. Jobs print it and exit with status 2.

    Attributes hold the parts of the message so that tests and callers need not parse it.
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
            parts.append(f"value: {value!r}")
        parts.append(f"remedy: {remedy}")
        super().__init__("; ".join(map(_printable, parts)))

    def __reduce__(self) -> tuple[object, ...]:
        # Ray carries errors between processes by pickle, and BaseException's default would drop the keywords.
        return _rebuild, (self.problem, self.file, self.field, self.value, self.remedy)


def _printable(text: str) -> str:
    """``text`` with what would move a terminal's cursor or end the line written as escapes: names come from data."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _rebuild(problem: str, file: str | Path | None, field: str | None, value: object, remedy: str) -> InputError:
    return InputError(problem, file=file, field=field, value=value, remedy=remedy)


def no_space(folder: Path, error: Exception) -> InputError:
    """What to say of a run that could not write its files."""
    return InputError(
        "no space left for the files of the run; its last whole checkpoint is kept",
        file=folder,
        field="run.folder",
        value=str(error)[:200],
        remedy="free space, then run the same command again: it continues from that checkpoint",
    )
