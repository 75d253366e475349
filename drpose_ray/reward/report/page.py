"""The report as a page: the same parts as Markdown with its pictures beside it, and as one HTML file."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drpose_ray.publish import replace_when_complete

_STYLE = """
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; max-width: 1100px; margin: 32px auto; padding: 0 20px }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; margin: 12px 0 }
td, th { text-align: right; padding: 4px 10px; border-top: 1px solid #e3e6e9 }
td:first-child, th:first-child { text-align: left }
img { max-width: 100% } h2 { margin-top: 36px } figcaption { color: #66707a; font-size: 13px }
"""


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


def write_page(folder: Path, title: str, sections: Sequence[Section]) -> None:
    """Publish ``report.md`` with its pictures, and ``report.html``, which needs nothing beside it."""
    for section in sections:
        for part in section.parts:
            if isinstance(part, Picture):
                with replace_when_complete(folder / part.name) as temporary:
                    temporary.write_bytes(part.png)
    for name, text in (("report.md", as_markdown(title, sections)), ("report.html", as_html(title, sections))):
        with replace_when_complete(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def as_markdown(title: str, sections: Sequence[Section]) -> str:
    """The page in Markdown."""
    lines = [f"# {title}"]
    for section in sections:
        lines.append(f"## {section.title}")
        for part in section.parts:
            if isinstance(part, Table):
                header, *rows = (f"| {' | '.join(row)} |" for row in part.rows)
                lines.append("\n".join([header, "|---" * len(part.rows[0]) + "|", *rows]))
            elif isinstance(part, Picture):
                lines.append(f"![{part.caption}]({part.name})\n\n*{part.caption}*")
            else:
                lines.append(part)
    return "\n\n".join(lines) + "\n"


def as_html(title: str, sections: Sequence[Section]) -> str:
    """The page in HTML; all text is escaped, pictures are inside."""
    body = [f"<h1>{html.escape(title)}</h1>"]
    for section in sections:
        body.append(f"<h2>{html.escape(section.title)}</h2>")
        body += [_part_as_html(part) for part in section.parts]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _part_as_html(part: str | Table | Picture) -> str:
    if isinstance(part, Table):
        header, *rows = part.rows
        lines = ["".join(f"<th>{html.escape(cell)}</th>" for cell in header)]
        lines += ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
        return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"
    if isinstance(part, Picture):
        source = f"data:image/png;base64,{base64.b64encode(part.png).decode()}"
        caption = html.escape(part.caption)
        return f'<figure><img src="{source}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'
    return f"<p>{html.escape(part)}</p>"
