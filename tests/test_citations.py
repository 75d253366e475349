"""What the repository cites is in it, or is public: no file here points to a page, file or module that is not there."""

from __future__ import annotations

import ast
import functools
import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

from drpose_ray.cli import COMMANDS, load_job
from drpose_ray.core.settings.dotted import dotted_names

ROOT = Path(__file__).resolve().parents[1]
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".jinja", ".txt", ""}
_NUMBER = r"(\d+(?:\.\d+)?)"
CITED = re.compile(rf"(?<!--write )(?<!--output )docs/[\w/]+\.md(?:\)?, {_NUMBER}(?:(?: to|,| and) {_NUMBER})?)?")

FILE = re.compile(r"(?<![\w./*>-])((?:[\w-]+/)*\w[\w-]*\.py)\b(?!\.)")
FOLDER = re.compile(r"(?<![\w./-])((?:drpose_ray|tests|jobs)/[\w./-]*\w)")
DOTTED = re.compile(r"`([a-z]\w*(?:\.[A-Za-z_]\w*)+)(?:\(.*?\))?`")
FILE_NAME = re.compile(r"\.(py|md|jsonl?|yaml|html|jinja|np[yz]|parquet|csv|png|safetensors)$")
NOT_OURS = {"my_rewards.py"}
"""Files that a reader would write."""


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
        r"/wor[k]/",
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


@pytest.fixture(scope="module")
def modules() -> dict[str, set[str]]:
    """Dotted name below ``drpose_ray``, of packages too -> whatever is named in it."""
    named: dict[str, set[str]] = {}
    for file in (ROOT / "drpose_ray").rglob("*.py"):
        parts = file.relative_to(ROOT / "drpose_ray").with_suffix("").parts
        nodes = list(ast.walk(ast.parse(read(file))))
        words = {getattr(node, field, None) for node in nodes for field in ("name", "id", "asname")}
        named[".".join(parts).removesuffix(".__init__")] = {word for word in words if isinstance(word, str)}
    return named


@pytest.fixture(scope="module")
def settings() -> set[str]:
    jobs = [load_job(command.script) for command in COMMANDS.values()]
    return {name for job in jobs if hasattr(job, "CONFIG") for name in dotted_names(job.CONFIG)}


@functools.cache
def said_in(file: Path) -> str:
    """A page, or a module's comments and strings."""
    if file.suffix != ".py":
        return read(file)
    tokens = tokenize.generate_tokens(io.StringIO(read(file)).readline)
    return "\n".join(token.string for token in tokens if token.type in {tokenize.COMMENT, tokenize.STRING})


def _arguments(file: Path) -> set[str]:
    """What its docstrings may name besides modules: arguments, and fields of its classes."""
    nodes = list(ast.walk(ast.parse(read(file))))
    fields = {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    return {node.arg for node in nodes if isinstance(node, ast.arg)} | fields


def cites() -> list[Path]:
    return [file for file in tracked() if file.suffix in {".py", ".md", ".yaml", ".toml", ".jinja"}]


def test_every_module_that_is_cited_by_its_file_exists() -> None:
    """Whole, or from a folder on: ``finetune/plan.py``. Tests write files of their own, so only their paths count."""
    here = [f"/{file.relative_to(ROOT)}" for file in tracked()]
    missing, cited = [], 0
    for file in cites():
        for found in FILE.finditer(said_in(file)):
            if file.is_relative_to(ROOT / "tests") and not found[1].startswith(("tests/", "drpose_ray/", "jobs/")):
                continue
            cited += 1
            if found[1] not in NOT_OURS and not any(path.endswith(f"/{found[1]}") for path in here):
                missing.append(f"{file.relative_to(ROOT)}: {found[1]}")
    assert cited > 200
    assert missing == []


def test_every_path_of_code_that_is_cited_exists() -> None:
    missing = [
        f"{file.relative_to(ROOT)}: {found[1]}"
        for file in cites()
        for found in FOLDER.finditer(said_in(file))
        if not any((ROOT / f"{found[1]}{suffix}").exists() for suffix in ("", ".py"))
    ]
    in_tables = [
        f"{page.name}: {found}"
        for page in (ROOT / "README.md", ROOT / "docs/paper_map.md")
        for row in re.findall(r"^\|.*", read(page), re.MULTILINE)
        for found in re.findall(r"`((?:\w+/)+)`", row)
        if not (ROOT / "drpose_ray" / found).is_dir() and not (ROOT / found).is_dir()
    ]
    assert missing + in_tables == []


def test_every_module_and_setting_that_is_cited_by_its_dotted_name_exists(
    modules: dict[str, set[str]], settings: set[str]
) -> None:
    """In backticks, from below ``drpose_ray`` on: ``finetune.replay.gradient``, ``finetune.algorithm.kl_weight``."""
    ours = {word for name in modules for word in name.split(".")} | {name.partition(".")[0] for name in settings}
    missing, cited = [], 0
    for file in cites():
        if str(file.relative_to(ROOT)).startswith(("CHANGELOG", "docs/facts/", "tests/")):
            continue  # of other days; other people's; made up
        names = _arguments(file) if file.suffix == ".py" else set()
        for found in DOTTED.finditer(said_in(file)):
            name = found[1].removeprefix("drpose_ray.")
            first = name.partition(".")[0]
            if first not in ours or first in names or FILE_NAME.search(name):
                continue  # a library's, a file's, or of something that this module has under that name
            cited += 1
            if name in settings or name in modules:
                continue
            module, _, last = name.rpartition(".")
            outer, _, inner = module.rpartition(".")  # of a class in a module
            if not ({last} <= modules.get(module, set()) or {inner, last} <= modules.get(outer, set())):
                missing.append(f"{file.relative_to(ROOT)}: {name}")
    assert cited > 60
    assert missing == []


def test_what_the_map_of_the_paper_names_in_a_file_is_in_it(modules: dict[str, set[str]]) -> None:
    named = re.findall(r"`([\w/]+)\.py:(\w+)`", read(ROOT / "docs/paper_map.md"))
    assert named
    assert [each for each in named if each[1] not in modules[each[0].replace("/", ".")]] == []
