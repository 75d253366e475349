"""The HTML reports as a phone and a desktop show them, in light and dark. `apt-get install chromium` brings it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drpose_ray.evaluation import page
from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, compare
from drpose_ray.evaluation.drpose.report import write_report
from drpose_ray.evaluation.drpose.summary import summarise
from tests.chromium import CHROMIUM, lay_out
from tests.evaluation.drpose.judged import FIXED_MASK_IOU, make_example, make_judgement

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium here; `apt-get install chromium` brings it")

LONG = "a_clip_with_a_very_long_name_without_any_place_to_break_it-000000000000.00"


@pytest.fixture(scope="module")
def judgement(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole report: every model, every metric, both pose sets, curves, long names."""
    tables = make_judgement()
    verdicts = compare(tables["challenging"], tables["standing"], FIXED_MASK_IOU, seed=0)
    summary = summarise(tables, verdicts, ("Anny body for SMPL-X", f"a file {LONG} for PSHuman"), seed=0)
    path = tmp_path_factory.mktemp("judgement") / "report.html"
    example = make_example(tables["challenging"][BASE].sample_ids[0])
    write_report(
        path,
        summary,
        tables,
        title=f"DrPose judged: {LONG}",
        examples=[example],
        curves={DRPOSE: [{"step": i, "reward": -0.5} for i in range(5)]},
        curve_keys={"reward": "PoseScore", "kl": "KL"},
        pictures=[page.Picture("wide.png", plot(), "a wide picture")],
        settings_yaml=f"field: {LONG * 4}",
    )
    return path


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reward")
    wide = page.Table([[f"column {i}" for i in range(12)], [f"{i}.123 [0.1, 0.2]" for i in range(12)]])
    parts = [wide, page.Picture("wide.png", plot(), LONG), LONG]
    page.write_page(folder, "Is the reward any good?", ["It was tried."], [page.Section(LONG, parts)])
    return folder / "report.html"


def plot() -> bytes:
    """A PNG wider than any screen tried here."""
    from matplotlib.figure import Figure

    from drpose_ray.core.drawing.figures import save

    return save(Figure(figsize=(12, 2)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("report", ["judgement", "reward"])
def test_nothing_reaches_past_the_screen_and_all_text_can_be_read(
    report: str, width: int, dark: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    found = lay_out(request.getfixturevalue(report), width, dark=dark, folder=tmp_path)
    assert found.dark == dark and found.width == width
    assert found.scroll_width <= width and not found.wide
    assert not found.faint


def test_pictures_come_before_findings_and_tables(judgement: Path) -> None:
    text = judgement.read_text()
    assert text.index("<img") < text.index("What this run found") < text.index("<table")


def test_a_page_that_does_overflow_or_is_faint_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text('<!doctype html><body><p style="width:900px;color:#ccc;background:#fff">wide and faint</p>')
    found = lay_out(path, 360, dark=False, folder=tmp_path)
    assert found.wide and found.faint and found.scroll_width > 360
