"""Credentials inside URIs: taken out of every text that leaves the process.

People write ``https://user:password@host`` or ``...?token=...`` where a URI is asked for. Such a URI works where it is
given, and is written nowhere: errors, tracebacks, run records, configurations and MLflow's parameters show ``***``.
"""

from __future__ import annotations

import re
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final

MARK = "***"

# Between "//" and "@": with a password anything but blanks and quotes, for people do not escape theirs; without one, a
# name or a token. One slash will do, for a Path makes "s3:/bucket" of "s3://bucket". A port is no password. Lengths
# are bounded, or a text of nothing but "a://b:" would take the square of its length.
_USERINFO = re.compile(
    r"""(?<![\w+.])((?!file:|sqlite:)[A-Za-z][\w+.-]{0,40}://?(?!/))"""
    r"""(?:[^\s/?#:@'"]{0,1000}:(?!\d{0,5}/)[^\s'"]{0,2000}|[^\s/?#:@'"]{1,2000})@"""
)
_PARAMETER = re.compile(
    r"""([?&;#][\w.-]{0,80}(?:pass(?:w(?:or)?d|phrase)?|pwd|secret|token|key|credential|signature|\bsig|auth|jwt)"""
    r"""[\w.-]{0,80}=)[^\s&;#'"]+""",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """``text`` with ``***`` for the credentials of each URI in it; text without any is returned as it is."""
    return _PARAMETER.sub(rf"\1{MARK}", _USERINFO.sub(rf"\1{MARK}@", text))


def redact_values(value: Any) -> Any:
    """``redact`` on every string of nested mappings and sequences, which come back as plain dicts and lists."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redact_values(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_values(inner) for inner in value]
    return value


def is_redacted(text: str) -> bool:
    """Whether credentials were taken out of ``text``."""
    return MARK in text and redact(text.replace(MARK, "x")) != text.replace(MARK, "x")


def withheld(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values that ``redact_values`` would change, by dotted name: what a redacted configuration lacks."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= withheld(value, f"{prefix}{name}.")
        elif redact_values(value) != (list(value) if isinstance(value, tuple) else value):
            found[prefix + name] = value
    return found


def redact_what_python_prints() -> None:
    """From now on errors that nobody caught, in any thread, and warnings are printed without credentials."""
    sys.excepthook = print_redacted
    threading.excepthook = _print_of_thread
    warnings.formatwarning = _format_warning


def print_redacted(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print a traceback on stderr without credentials: a ``sys.excepthook``."""
    print(redact("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def _print_of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        print_redacted(args.exc_type, args.exc_value, args.exc_traceback)


_PLAIN_FORMAT: Final = warnings.formatwarning


def _format_warning(*warning: Any, **line: Any) -> str:
    return redact(_PLAIN_FORMAT(*warning, **line))
