from __future__ import annotations

import re
from pathlib import Path

import pytest

from drpose_ray.evaluation.drpose.claims import BASE, DRPOSE, MODEL_TITLES, compare
from drpose_ray.evaluation.drpose.report import NUM_EXAMPLES, pick_examples, write_report
from drpose_ray.evaluation.drpose.summary import JudgementSummary, summarise
from drpose_ray.evaluation.drpose.text_table import format_table
from drpose_ray.evaluation.evaluate_model import METRICS
from drpose_ray.evaluation.page import Picture
from tests.evaluation.drpose.judged import FIXED_MASK_IOU, NUM_POSES, make_example, make_judgement, make_table

TWINS = ("Anny body for SMPL-X", "weights/small for PSHuman <768 px>")
PIXEL = bytes.fromhex(  # a valid 1 x 1 PNG
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8ffff3f0005fe02fe0def46b8"
    "0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def summary() -> JudgementSummary:
    tables = make_judgement()
    return summarise(tables, compare(tables["challenging"], tables["standing"], FIXED_MASK_IOU, seed=0), TWINS, seed=0)


def test_summary_survives_json_and_covers_every_model_metric_and_set(summary: JudgementSummary) -> None:
    assert JudgementSummary.model_validate_json(summary.model_dump_json()) == summary
    assert len(summary.rows) == 2 * len(MODEL_TITLES) * len(METRICS)
    assert {row.model for row in summary.rows if row.change is None} == {BASE}
    assert summary.all_claims_hold


def test_table_columns_line_up_and_twins_are_named(summary: JudgementSummary) -> None:
    text = format_table(summary)
    assert all(twin in text for twin in TWINS)
    assert text.count("Holds: ") == len(summary.verdicts)
    blocks = [block.splitlines()[1:] for block in text.split("\n\n") if "poses (" in block.splitlines()[0]]
    assert [len(block) for block in blocks] == [1 + len(METRICS)] * 2
    for block in blocks:
        # Right-aligned columns: each row's cell of "base" ends where the heading does.
        end = block[0].index("  base") + len("  base")
        assert all(re.search(r"\d$", line[:end]) for line in block[1:])


def test_report_is_one_file_that_loads_nothing_and_names_its_twins(tmp_path: Path, summary: JudgementSummary) -> None:
    tables = make_judgement()
    curves = {DRPOSE: [{"step": i, "reward": -0.5, "kl": None if i else 0.1} for i in range(5)]}
    write_report(
        tmp_path / "report.html",
        summary,
        tables,
        title="Judgement & report",
        examples=[make_example(tables["challenging"][BASE].sample_ids[3])],
        curves=curves,
        curve_keys={"reward": "PoseScore", "kl": "KL"},
        pictures=[Picture("diversity.png", PIXEL, "pose diversity")],
        settings_yaml="seed: 0  # <not markup>",
    )
    html = (tmp_path / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', html)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in html
    assert "weights/small for PSHuman &lt;768 px&gt;" in html
    assert "&lt;not markup&gt;" in html
    assert html.count('class="badge holds"') == len(summary.verdicts)
    assert "pose diversity" in html
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_claim_without_its_evidence_is_a_finding_and_no_failure(tmp_path: Path) -> None:
    tables = make_judgement()
    tables["challenging"][DRPOSE] = make_table(DRPOSE, "challenging", pose_score=0.1, mpjpe_cm=1.0)
    verdicts = compare(tables["challenging"], tables["standing"], FIXED_MASK_IOU, seed=0)
    summary = summarise(tables, verdicts, TWINS, seed=0)
    assert not summary.all_claims_hold
    text = format_table(summary)
    assert "Not shown (1 of 2 checks): On challenging poses DrPose beats its base" in text
    write_report(
        tmp_path / "report.html", summary, tables, title="t", examples=[], curves={}, curve_keys={}, settings_yaml=""
    )
    page = (tmp_path / "report.html").read_text()
    assert "<h1>DrPose made challenging poses worse in this run.</h1>" in page
    for told in (text, page):
        assert "FAIL" not in told


def test_examples_are_spread_over_the_ranks_of_change_and_include_the_worst() -> None:
    tables = make_judgement()["challenging"]
    picked = pick_examples(tables[BASE], tables[DRPOSE])
    change = tables[DRPOSE].values["mpjpe_cm"] - tables[BASE].values["mpjpe_cm"]
    ranks = change.argsort().argsort()[picked].tolist()
    assert ranks[0] == 0
    assert ranks[-1] == NUM_POSES - 1
    assert ranks == sorted(ranks)
    assert len(set(picked)) == NUM_EXAMPLES
