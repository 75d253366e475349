"""Texts that come from data (clips, sources, terms, reasons) where another language would read them as its own."""

from __future__ import annotations

import html
import re
from typing import Final

_LONGEST: Final = 300
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]|~#])")
_FORMULA: Final = ("=", "+", "-", "@")


def one_line(text: str, longest: int = _LONGEST) -> str:
    """``text`` on one line of letters that can be seen: no control characters, and none that turn its direction."""
    line = "".join(letter if letter.isprintable() else "?" for letter in re.sub(r"[\t\r\n]+", " ", text))
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def markdown(text: str) -> str:
    """``text`` as a reader of Markdown sees it, in a line or a cell of a table; neither HTML nor Markdown is left."""
    return _MARKDOWN.sub(r"\\\1", html.escape(one_line(text), quote=False))


def spreadsheet(text: str) -> str:
    """``text`` for a cell of a table that a spreadsheet may open: it is not calculated."""
    line = one_line(text)
    return f"'{line}" if line.startswith(_FORMULA) else line
