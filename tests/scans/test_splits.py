"""Nobody is tested on whom training has seen, and published lists are taken as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.scans.config import ScanSplits
from drpose_ray.scans.scan import ScanFiles
from drpose_ray.scans.splits import read_split, split_scans

ROOT = Path(__file__).resolve().parents[2]


def scan(name: str, source: str = "twin", subject: str | None = None) -> ScanFiles:
    path = Path(name)
    return ScanFiles(f"{source}-{name}", source, path, None, path, "CC0-1.0", name=name, subject=subject)


PEOPLE = [scan(f"p{i:03d}_{k}", subject=f"p{i:03d}") for i in range(400) for k in range(3)]


def test_every_scan_is_in_one_split_subjects_stay_together_and_shares_are_kept() -> None:
    dealt = split_scans(PEOPLE, ScanSplits(test_share=0.2, val_share=0.1))
    assert sum(map(len, dealt.values())) == len(PEOPLE)
    subjects = {name: {files.subject for files in scans} for name, scans in dealt.items()}
    assert not subjects["train"] & subjects["test"] and not subjects["train"] & subjects["val"]
    assert 0.15 < len(subjects["test"]) / 400 < 0.25 and 0.06 < len(subjects["val"]) / 400 < 0.14


def test_adding_scans_moves_no_other_and_the_seed_deals_anew() -> None:
    few, all_of_them = (split_scans(people, ScanSplits()) for people in (PEOPLE[:300], PEOPLE))
    for name, scans in few.items():
        assert [files for files in all_of_them[name] if files in PEOPLE[:300]] == scans
    assert split_scans(PEOPLE, ScanSplits(seed=1)) != all_of_them


def test_a_published_list_is_the_test_of_its_source_and_no_more(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# from somewhere\n0003\n\n0007  # a note\n")
    scans = [scan(f"{i:04d}", "thuman2.1") for i in range(200)] + PEOPLE
    dealt = split_scans(scans, ScanSplits(test_lists={"thuman2.1": listed}))
    assert [files.name for files in dealt["test"] if files.source == "thuman2.1"] == ["0003", "0007"]
    assert any(files.source == "thuman2.1" for files in dealt["val"])
    assert any(files.source == "twin" for files in dealt["test"]), "a source without a list is hashed"


def test_lists_that_do_not_match_the_source_are_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("0003\n9999\n")
    scans = [scan(f"{i:04d}", "thuman2.1") for i in range(20)]
    with pytest.raises(InputError, match=r"1 of 2, e\.g\. 9999"):
        split_scans(scans, ScanSplits(test_lists={"thuman2.1": listed}))
    with pytest.raises(InputError, match="a source that is not given"):
        split_scans(scans, ScanSplits(test_lists={"THuman": listed}))
    for text in ("# nothing\n", "a\na\n"):
        listed.write_text(text)
        with pytest.raises(InputError):
            read_split(listed)
    with pytest.raises(InputError, match="cannot be read"):
        read_split(tmp_path / "missing.txt")


def test_the_shipped_list_says_where_it_is_from() -> None:
    file = ROOT / "data" / "splits" / "thuman2.0-0461-0524.txt"
    names = read_split(file)
    assert names == {f"{i:04d}" for i in range(461, 525)}
    assert "PSHuman/issues/17" in file.read_text() and "64" in file.read_text()
