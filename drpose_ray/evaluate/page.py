"""The report as a page: the same parts as Markdown with its pictures beside it, and as one HTML file."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drpose_ray.page_style import STYLE
from drpose_ray.publish import replace_when_complete


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
    """The page in HTML; all text is escaped, pictures are inside."""
    body = [f"<h1>{html.escape(title)}</h1>", *map(_part_as_html, lead)]
    for section in sections:
        body.append(f"<h2>{html.escape(section.title)}</h2>")
        body += [_part_as_html(part) for part in _pictures_first(section.parts)]
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style>"
    )
    text = "\n".join(body)
    return f'<!doctype html><html lang="en"><head>{head}</head><body><main>\n{text}\n</main></body></html>\n'


def _pictures_first(parts: Sequence[str | Table | Picture]) -> list[str | Table | Picture]:
    """A table is for whoever wants the number behind what was seen."""
    return sorted(parts, key=lambda part: not isinstance(part, Picture))


def _part_as_html(part: str | Table | Picture) -> str:
    if isinstance(part, Table):
        header, *rows = part.rows
        lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in header)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        rows_as_html = "".join(f"<tr>{line}</tr>" for line in lines)
        return f'<div class="card scroll"><table>{rows_as_html}</table></div>'
    if isinstance(part, Picture):
        source = f"data:image/png;base64,{base64.b64encode(part.png).decode()}"
        caption = html.escape(part.caption)
        return (
            f'<figure class="card plot"><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
        )
    return f"<p>{html.escape(part)}</p>"
