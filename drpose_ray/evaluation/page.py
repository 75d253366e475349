"""Reports as pages: one HTML file that needs nothing beside it, and the same parts as Markdown with its pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from drpose_ray.core.files.publish import replace_when_complete

_TEMPLATES: Final = Path(__file__).parent


@dataclass(frozen=True)
class Table:
    """Cells as text; the first row is the header."""

    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG, its file name beside the Markdown, and what it shows."""

    name: str
    png: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it, in order; strings are paragraphs without markup."""

    title: str
    parts: Sequence[str | Table | Picture]


def write_page(folder: Path, title: str, lead: Sequence[str], sections: Sequence[Section]) -> None:
    """Publish ``report.md`` with its pictures, and ``report.html``, which needs nothing beside it.

    Args:
        lead: what was tried, on which parts and what came out, in sentences under the title.
    """
    for section in sections:
        for part in section.parts:
            if isinstance(part, Picture):
                with replace_when_complete(folder / part.name) as temporary:
                    temporary.write_bytes(part.png)
    for name, write in (("report.md", as_markdown), ("report.html", as_html)):
        with replace_when_complete(folder / name) as temporary:
            temporary.write_text(write(title, lead, sections), encoding="utf-8")


def as_markdown(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """The page in Markdown."""
    lines = [f"# {title}", *lead]
    for section in sections:
        lines.append(f"## {section.title}")
        for part in _pictures_first(section.parts):
            if isinstance(part, Table):
                header, *rows = (f"| {' | '.join(row)} |" for row in part.rows)
                lines.append("\n".join([header, "|---" * len(part.rows[0]) + "|", *rows]))
            elif isinstance(part, Picture):
                lines.append(f"![{part.caption}]({part.name})\n\n*{part.caption}*")
            else:
                lines.append(part)
    return "\n\n".join(lines) + "\n"


def as_html(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """The page in HTML."""
    shown = [Section(section.title, _pictures_first(section.parts)) for section in sections]
    return render(_TEMPLATES / "page.html.jinja", title=title, lead=lead, sections=shown)


def render(template: Path, **values: Any) -> str:
    """HTML in one file: a template beside this module or below, which extends ``page.html.jinja``.

    All text is escaped; the filter ``data_uri`` puts a PNG's bytes inside.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["data_uri"] = _data_uri
    return environment.get_template(template.relative_to(_TEMPLATES).as_posix()).render(values)


def _pictures_first(parts: Sequence[str | Table | Picture]) -> list[str | Table | Picture]:
    """A table is for whoever wants the number behind what was seen."""
    return sorted(parts, key=lambda part: not isinstance(part, Picture))


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
