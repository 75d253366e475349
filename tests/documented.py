"""The commands that README and docs print, as a reader would type them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drpose_ray.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Block:
    """One fenced block's commands, variables filled in; ``name`` is its page, its heading and its place below that."""

    name: str
    commands: tuple[str, ...]


def read_blocks(page: Path) -> Iterator[Block]:
    """Blocks of ``page`` that hold commands. In blocks that show output, commands begin with a dollar sign."""
    variables: dict[str, str] = {}
    heading, count = "", 0
    parts = re.split(r"^([ ]*)```(\w*)\n(.*?)^\1```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for i in range(0, len(parts) - 1, 4):
        text, _, language, body = parts[i : i + 4]
        if headings := re.findall(r"^#+ (.*)$", text, re.MULTILINE):
            heading, count = headings[-1], 0
        if language not in {"sh", "bash", "text", "console", ""}:
            continue
        commands = tuple(_commands(body, variables, only_prompted=language in {"text", "console", ""}))
        if commands:
            count += 1
            yield Block(f"{page.relative_to(ROOT)}: {heading} ({count})", commands)


def _commands(body: str, variables: dict[str, str], *, only_prompted: bool) -> Iterator[str]:
    """Lines joined where they go on: behind a backslash, or inside quotation marks."""
    pending = ""
    for line in body.splitlines():
        if not pending and only_prompted and not line.startswith("$ "):
            continue
        pending += line.removeprefix("$ ") if not pending else line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        try:
            shlex.split(pending, comments=True)
        except ValueError:
            continue  # an open quotation mark
        command, pending = pending.strip(), ""
        if assigned := re.fullmatch(r"(?:export )?([A-Z]+)=[\"']?(.*?)[\"']?", command):
            variables[assigned[1]] = assigned[2]
        elif command and not command.startswith("#"):
            yield re.sub(r"\$([A-Z]+)\b", lambda found: variables.get(found[1], found[0]), command)


def jobs_of(command: str) -> Iterator[tuple[str, list[str]]]:
    """(job, flags) of each job that ``command`` starts: itself, behind ``ray job submit``, or from the Makefile."""
    words = shlex.split(command, comments=True)
    if words[:1] == ["make"]:
        # Not with the variables of the make that may have started these tests.
        plain = {
            name: value for name, value in os.environ.items() if name not in {"ARGS", "MAKEFLAGS", "MAKEOVERRIDES"}
        }
        made = subprocess.run(
            ["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True, text=True, env=plain
        ).stdout
        for line in re.findall(r"\bdrpose [a-z].*", made.replace("\\\n", " ").replace("$seed", "0")):
            yield from jobs_of(line.partition("||")[0])
        return
    for length in (2, 1) if words[:1] == ["drpose"] else ():
        if command := COMMANDS.get(" ".join(words[1 : 1 + length])):
            yield command.script, words[1 + length :]
            return
    for i, word in enumerate(words):
        if found := re.fullmatch(r"jobs/(\w+)\.py", word):
            yield found[1], words[i + 1 :]
            return
