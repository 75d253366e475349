"""What import-linter cannot see: which files may name Ray, the environment, the command line or pickle."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY, ENTRIES = (
    {str(file.relative_to(ROOT)): file.read_text() for file in sorted(folder.rglob("*.py"))}
    for folder in (ROOT / "drpose_ray", ROOT / "jobs")
)
"""Path from the root -> source."""


@pytest.fixture(scope="module")
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(source) for name, source in (LIBRARY | ENTRIES).items()}


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


def imported_modules(name: str, tree: ast.AST) -> set[str]:
    """Files of the library that ``name`` imports anywhere."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules = {str(node.module) for node in nodes} | {
        f"{node.module}.{each.name}" for node in nodes for each in node.names
    }
    return {f"{module.replace('.', '/')}.py" for module in modules} & LIBRARY.keys()


def test_no_module_imports_itself_in_a_circle(trees: dict[str, ast.Module]) -> None:
    """Neither at the top nor within functions; of packages import-linter says it."""
    graphlib.TopologicalSorter({name: imported_modules(name, trees[name]) for name in LIBRARY}).prepare()


def test_only_files_named_on_ray_import_ray(trees: dict[str, ast.Module]) -> None:
    others = [name for name in LIBRARY if not name.endswith("on_ray.py")]
    assert [name for name in others if "ray" in imported(trees[name])] == []


def test_only_the_entry_parses_arguments_or_reads_the_environment(trees: dict[str, ast.Module]) -> None:
    """Except where a job's configuration is loaded, and where Ray's own RAY_* variables are met."""
    entries = {"cli.py", "core/job.py", "core/settings/config.py", "dev/schemas.py"}
    for name, source in LIBRARY.items():
        if name.removeprefix("drpose_ray/") in entries:
            continue
        assert not imported(trees[name]) & {"argparse", "click", "tyro"}, name
        assert "sys.argv" not in source, name
        assert name.endswith("on_ray.py") or not ("os.environ" in source or "getenv" in source), name


def test_data_is_never_unpickled(trees: dict[str, ast.Module]) -> None:
    for name, tree in trees.items():
        assert not imported(tree) & {"pickle", "cloudpickle", "dill", "joblib"}, name
        for callee, call in calls(tree):
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            if callee == "torch.load":
                assert keywords.get("weights_only") == "True", f"{name}:{call.lineno}"
            if callee in {"np.load", "numpy.load"}:
                assert keywords.get("allow_pickle", "False") == "False", f"{name}:{call.lineno}"
            if callee.endswith("yaml.load"):
                assert keywords.get("Loader") == "_StrictLoader", f"{name}:{call.lineno}"
