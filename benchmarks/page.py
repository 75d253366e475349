"""How the benchmarks hand in their tables: on the terminal, and on a page below the text that explains them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def hand_in(description: str | None, table: Callable[[], str], mark: str) -> None:
    """The program of a benchmark without other options: prints ``table()``, and with ``--output`` replaces what a page
    has below ``<!-- mark -->``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="page whose part below the mark is replaced by the table")
    output: Path | None = parser.parse_args().output
    text = table()
    print(text)
    if output:
        line = f"<!-- {mark} -->"
        page = output.read_text().split(line)[0] if output.exists() else ""
        output.write_text(f"{page}{line}\n\n{text}\n")
