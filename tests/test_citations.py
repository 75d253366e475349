"""What the repository cites is in it, or is public: no file here points to a document that a reader cannot open."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".jinja", ".txt", ""}
_NUMBER = r"(\d+(?:\.\d+)?)"
CITED = re.compile(rf"(?<!--write )(?<!--output )docs/[\w/]+\.md(?:\)?, {_NUMBER}(?:(?: to|,| and) {_NUMBER})?)?")


def tracked() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.splitlines()] if listed.returncode == 0 else [*ROOT.rglob("*.py")]
    return [file for file in files if file.suffix in TEXT and file.is_file() and file != Path(__file__).resolve()]


def sections(page: Path) -> set[str]:
    """Numbers of the headings of ``page``: ``## 4.`` and ``### 4.3``."""
    return set(re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", page.read_text(encoding="utf-8"), re.MULTILINE))


def read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="ignore")


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "facts").glob("*.md")), ids=lambda page: page.stem)
def test_each_page_of_facts_is_cited_and_numbered(page: Path) -> None:
    assert sections(page)
    assert any(f"facts/{page.name}" in read(file) for file in tracked() if file != page)


def test_every_page_and_section_that_is_cited_exists() -> None:
    missing, cited = [], 0
    for file in tracked():
        for found in CITED.finditer(read(file)):
            page = ROOT / found[0].partition(".md")[0]
            page = page.with_name(f"{page.name}.md")
            cited += 1
            if not page.is_file():
                missing.append(f"{file.relative_to(ROOT)}: {found[0]}")
            elif "facts" in page.parts:
                missing += [
                    f"{file.relative_to(ROOT)}: {page.name} has no section {number}"
                    for number in found.groups()
                    if number and number not in sections(page)
                ]
    assert cited > 60
    assert missing == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", read(page))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_pages_name_no_page_that_is_not_here() -> None:
    """``name.md`` without its folder, too. ``README.md`` may be that of a dataset or a model."""
    here = {page.name for page in tracked() if page.suffix == ".md"}
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for name in re.findall(r"`[^`\s]*?([\w-]+\.md)`", read(page))
        if name not in here | {"report.md"}  # jobs/report_reward.py writes that
    ]
    assert missing == []


@pytest.mark.parametrize(
    "phrase",
    [
        r"\w+ facts,? \(?\d",
        r"\.\./shared\b",
        r"/work/",
        r"\bissue \d+ of this project",
        r"Design of issue \d",
        r"\bthe brief says\b",
    ],
)
def test_nothing_outside_the_repository_is_cited(phrase: str) -> None:
    """Tests may look for their optional cases beside the checkout; readers are sent nowhere."""
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in tracked()
        if not (file.is_relative_to(ROOT / "tests") and "shared" in phrase)
        for match in re.finditer(phrase, read(file))
    ]
    assert found == []
