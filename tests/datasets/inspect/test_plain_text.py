"""Texts of data in cards, tables and messages: they are read, and neither run nor rendered."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.dataset_card import write_dataset_card
from drpose_ray.datasets.inspect.plain_text import markdown, one_line, spreadsheet
from drpose_ray.datasets.record import FrameStatus, Licence, SequenceRecord
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import Stripes, make_windows, silent

SCRIPT = "<script>alert(1)</script>"
LINK = "[free](javascript:alert(2)) ![x](http://x/y.png) `code` | cell"
TERMINAL = "\x1b]0;title\x07\x1b[2J\u202egnp.exe\nnext line"
FORMULA = '=HYPERLINK("http://x")'


class Hostile(Stripes):
    def make(self, window: PoseWindow) -> SequenceRecord:
        record = super().make(window)
        return replace(
            record,
            licence=Licence(motion=SCRIPT, body=LINK, image=TERMINAL),
            provenance=record.provenance.model_copy(update={"source": SCRIPT + LINK, "clip": FORMULA}),
            status=(FrameStatus(state="failed", reason=FORMULA + SCRIPT + TERMINAL), *record.status[1:]),
        )


def test_a_card_shows_the_texts_of_its_records_and_runs_none(tmp_path: Path) -> None:
    build(plan_build(make_windows(3), Hostile(), tmp_path / "set", 2), Hostile(), silent)
    write_dataset_card(tmp_path / "set", tmp_path / "card", SCRIPT + TERMINAL)
    text = (tmp_path / "card" / "README.md").read_text()
    assert "<script" not in text and "[free](" not in text and "[x](" not in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        and r"\[free\](javascript:alert(2))" in text
        and r"!\[x\](http" in text
    )
    with (tmp_path / "card" / "rejected.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert all(row["clip"] == "'" + FORMULA and row["reason"].startswith("'=") for row in rows)
    assert all(value.isprintable() for row in rows for value in row.values())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"), ("a\nb\t c", "a b  c"), ("\x1b[31m", "?[31m"), ("é ü 漢", "é ü 漢"),
        ("\ud800", "?"), ("x" * 400, "x" * 297 + "..."),
    ],
)  # fmt: skip
def test_one_line_of_what_can_be_seen(text: str, line: str) -> None:
    assert one_line(text) == line


def test_terms_as_people_write_them_stay_readable() -> None:
    assert markdown("CC-BY-4.0 (see https://x.org/a-b)") == "CC-BY-4.0 (see https://x.org/a-b)"
    assert markdown("AT&T <me@x.org>") == "AT&amp;T &lt;me@x.org&gt;"
    assert spreadsheet("walk 01") == "walk 01"


def test_a_refusal_is_one_line_that_moves_no_cursor() -> None:
    error = InputError(f"bad {TERMINAL}", file=TERMINAL, field=TERMINAL, value=TERMINAL, remedy=TERMINAL)
    assert str(error).isprintable() and r"\x1b[2J" in str(error)
