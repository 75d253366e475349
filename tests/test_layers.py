"""What import-linter cannot see: which files may name Ray, the environment, the command line or pickle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = sorted((ROOT / "drpose_ray").rglob("*.py"))
ENTRIES = sorted((ROOT / "jobs").glob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    """Top-level packages that a file imports anywhere, in functions too."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call with its callee as written, such as ``torch.load``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", LIBRARY, ids=name)
def test_only_files_named_on_ray_import_ray(file: Path) -> None:
    if file.name != "on_ray.py":
        assert "ray" not in imported(ast.parse(file.read_text()))


@pytest.mark.parametrize("file", LIBRARY, ids=name)
def test_nothing_below_jobs_parses_arguments_or_reads_the_environment(file: Path) -> None:
    """Except where a job's configuration is loaded, and where Ray's own RAY_* variables are met."""
    source = file.read_text()
    assert not imported(ast.parse(source)) & {"argparse", "click", "tyro"}
    if name(file) != "drpose_ray/config.py":
        assert "sys.argv" not in source
    if file.name != "on_ray.py":
        assert "os.environ" not in source
        assert "getenv" not in source


@pytest.mark.parametrize("file", [*LIBRARY, *ENTRIES], ids=name)
def test_data_is_never_unpickled(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert not imported(tree) & {"pickle", "cloudpickle", "dill", "joblib"}
    for callee, call in calls(tree):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if callee == "torch.load":
            assert keywords.get("weights_only") == "True", f"line {call.lineno}"
        if callee in {"np.load", "numpy.load"}:
            assert keywords.get("allow_pickle", "False") == "False", f"line {call.lineno}"
        if callee.endswith("yaml.load"):
            assert keywords.get("Loader") == "_StrictLoader", f"line {call.lineno}"
