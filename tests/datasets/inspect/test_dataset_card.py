from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.datasets.builder.local import build_shard, complete, unfinished_shards
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect import card_job as job
from drpose_ray.datasets.inspect import dataset_card
from drpose_ray.datasets.inspect.card_fields import DatasetCard, FrameCount, RejectedCount
from drpose_ray.datasets.inspect.dataset_card import read_card, write_dataset_card
from drpose_ray.datasets.manifest import MANIFEST, open_dataset, read_manifest
from drpose_ray.datasets.record import FrameStatus, SequenceRecord
from drpose_ray.datasets.shards.read import ShardReader
from drpose_ray.poses.sampling.diversity import diversity_mm
from drpose_ray.poses.windows import PoseWindow
from tests.datasets.builder.stripes import SIZE, Stripes, make_windows

CLIPS = {1: "half-drawn", 3: "refused", 5: "cropped", 8: "twice"}
FILES = {"README.md", "contact_sheet.png", "rejected.csv", "diversity.png", "card.json"}


class Checked(Stripes):
    """Rejects the first frame of the clip "cropped"; windows 4 and 8 look the same."""

    def make(self, window: PoseWindow) -> SequenceRecord:
        record = super().make(window)
        if window.clip == "cropped":
            cropped = FrameStatus(state="filtered", reason="cropped")
            record = replace(record, status=(cropped, *record.status[1:]))
        looks_like = 4 if window.clip == "twice" else window.rank
        return replace(record, image_hash=f"{looks_like:016x}")


class Twin(Checked):
    name, image_licence = "clothed-body", "rendered | not a photo"


def windows() -> list[PoseWindow]:
    """Eleven windows of three frames; the last two are of another source, rate and licence."""
    return [
        replace(window, source="mocap", fps=24.0, licence="CC BY 4.0") if window.rank > 8 else window
        for window in make_windows(11, clips=CLIPS)
    ]


def build_grown(folder: Path) -> Path:
    """Six windows, then five more, in shards of two, of which the twin draws every other."""
    for num in (6, 11):
        plan = plan_build(windows()[:num], Checked(), folder, 2, beside=[(Twin(), 0.5)], duplicate_bits=0)
        open_dataset(plan.location, plan.identity)
        for shard_id in unfinished_shards(plan):
            build_shard(plan, shard_id, (Twin(), Checked())[plan.identity.generator_of(shard_id)])
        complete(plan)
    return folder


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_grown(tmp_path_factory.mktemp("data") / "dataset")


@pytest.fixture(scope="module")
def card_folder(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("card")
    write_dataset_card(dataset, folder, "eleven stripes", "2026-11-22")
    return folder


def test_the_numbers_are_those_of_what_was_built(dataset: Path) -> None:
    card, _ = read_card(dataset, "eleven stripes")
    # 33 frames: one of half-drawn and three of refused failed, one was cropped, three are of the duplicate.
    assert (card.frames, card.frames_ok, card.frames_failed, card.frames_filtered) == (33, 25, 4, 4)
    assert card.rejected == (
        RejectedCount(state="failed", reason="RuntimeError: this clip cannot be drawn", frames=3),
        RejectedCount(state="filtered", reason="duplicate", frames=3),
        RejectedCount(state="failed", reason="the body left the picture", frames=1),
        RejectedCount(state="filtered", reason="cropped", frames=1),
    )
    assert (card.sequences, card.sequences_ok, card.duplicates) == (11, 9, 1)
    assert [(each.sequences, each.frames, each.shards) for each in card.segments] == [(6, 18, 3), (5, 15, 3)]
    assert card.shards == 6 and card.bytes == sum(path.stat().st_size for path in dataset.glob("*.tar"))
    assert card.sources == (
        FrameCount(name="tests", frames=27, frames_ok=19), FrameCount(name="mocap", frames=6, frames_ok=6)
    )  # fmt: skip
    assert [each.name for each in card.licences_of_motions] == ["CC0-1.0", "CC BY 4.0"]
    assert [(each.name, each.frames) for each in card.rates] == [("30", 27), ("24", 6)]
    assert card.sequence_lengths == (FrameCount(name="3", frames=33, frames_ok=25),)


def test_each_generator_has_its_share_frames_images_and_terms(dataset: Path) -> None:
    card, _ = read_card(dataset, "eleven stripes")
    twin, stripes = card.generators
    assert (twin.name, twin.free_twin, stripes.name, stripes.free_twin) == ("clothed-body", True, "stripes", False)
    # Shards 1, 3 and 5 are the twin's: sequences 2 and 3, 6 and 7 (of the second segment), 10.
    assert (twin.share, twin.frames, twin.frames_ok) == (0.5, 15, 12)
    assert (stripes.frames, stripes.frames_ok) == (18, 13)
    assert twin.images == stripes.images == {"input": ((SIZE, SIZE, 4),)}
    assert [(each.name, each.frames) for each in card.licences_of_images] == [
        ("CC0-1.0", 18), ("rendered | not a photo", 15)
    ]  # fmt: skip


def test_records_whose_settings_leave_out_the_filters_count_for_their_generator(tmp_path: Path) -> None:
    class Filters(Stripes):
        """What is drawn names the settings of the stripes, as with ``CheckedMaker``; the plan has more."""

        def settings(self) -> dict[str, object]:
            return {**super().settings(), "quality": "strict"}

        def make(self, window: PoseWindow) -> SequenceRecord:
            return Stripes(self.seed).make(window)

    generator = Filters()
    plan = plan_build(make_windows(3, clips={2: "refused"}), generator, tmp_path, 2)
    open_dataset(plan.location, plan.identity)
    for shard_id in unfinished_shards(plan):
        build_shard(plan, shard_id, generator)
    complete(plan)
    (row,) = read_card(tmp_path, "x")[0].generators
    assert (row.frames, row.frames_ok, row.images) == (9, 6, {"input": ((SIZE, SIZE, 4),)})
    assert row.settings_sha256 == (plan.identity.generators[0].settings_sha256,)


def test_diversity_is_that_of_the_poses_that_are_read(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = np.stack([sample.motion for sample in ShardReader(dataset)])
    card, poses = read_card(dataset, "eleven stripes")
    np.testing.assert_array_equal(poses, read)
    assert card.diversity_poses == 25 and card.diversity_mm == pytest.approx(diversity_mm(read), abs=1e-3)
    monkeypatch.setattr(dataset_card, "MOST_POSES", 10)
    card, poses = read_card(dataset, "eleven stripes")
    np.testing.assert_array_equal(poses, read[::3])
    assert card.diversity_poses == 9


def test_equal_datasets_have_equal_cards_and_stay_as_they_are(dataset: Path, card_folder: Path, tmp_path: Path) -> None:
    again = build_grown(tmp_path / "again")
    before = {path.name: path.read_bytes() for path in again.iterdir()}
    write_dataset_card(again, tmp_path / "card", "eleven stripes", "2026-11-22")
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    files = {path.name: path.read_bytes() for path in (tmp_path / "card").iterdir()}
    assert files.keys() == FILES
    assert files == {path.name: path.read_bytes() for path in card_folder.iterdir()}


def test_the_text_says_what_the_numbers_say(card_folder: Path) -> None:
    text = (card_folder / "README.md").read_text()
    card = DatasetCard.model_validate_json((card_folder / "card.json").read_text())
    assert text.startswith("# eleven stripes\n") and "Built on 2026-11-22." in text and "A free twin" in text
    for line in (
        "| frames ok | 25 |",
        "| filtered | duplicate | 3 |",
        "| 2 | 5 | 15 | 3 |",
        "| mocap | 6 | 6 |",
        r"| rendered \| not a photo | 15 | 12 |",
        "| clothed-body (free twin) | 50.0% | 15 | 12 | `input` 16 × 16 RGBA |",
        f"**{card.diversity_mm:.0f} mm** over 25 poses",
    ):
        assert line in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1 and re.fullmatch(r"[|:-]+", table.splitlines()[1]), table
    assert "\n\n\n" not in text
    assert "free twin" not in dataset_card.card_text(card.model_copy(update={"generators": card.generators[1:]}))


def test_the_code_in_the_text_reads_the_frames_that_count(dataset: Path, card_folder: Path) -> None:
    ours, stock = re.findall(r"```python\n(.*?)```", (card_folder / "README.md").read_text(), re.DOTALL)
    for code in (ours, stock):
        found: dict[str, list[object]] = {"counted": []}
        exec(code.replace("DATASET", str(dataset)) + f"    {'' if code is ours else '    '}counted.append(1)\n", found)
        assert len(found["counted"]) == (25 if code is ours else 9)


def test_a_card_lies_outside_the_dataset(dataset: Path) -> None:
    before = sorted(path.name for path in dataset.iterdir())
    for output in (dataset, dataset / "card", dataset / ".." / dataset.name, Path("s3://bucket/card")):
        with pytest.raises(InputError, match="folder of its own"):
            write_dataset_card(dataset, output, "x")
    assert sorted(path.name for path in dataset.iterdir()) == before


def test_shards_that_are_not_the_manifests_get_no_card(dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "set")
    shard = tmp_path / "set/shard-000002.tar"  # its pictures are not looked at, hence it is not hashed
    data = shard.read_bytes()
    shard.write_bytes(data.replace(b'"state":"filtered","reason":"cropped"', b'"state":"failed","reason":"cropped.."'))
    assert len(shard.read_bytes()) == len(data) and shard.read_bytes() != data
    with pytest.raises(InputError, match="do not hold what the manifest says"):
        write_dataset_card(tmp_path / "set", tmp_path / "card", "x")
    shard.unlink()
    with pytest.raises(InputError, match="a shard of the manifest is missing"):
        write_dataset_card(tmp_path / "set", tmp_path / "card", "x")
    (tmp_path / "set" / MANIFEST).unlink()
    with pytest.raises(InputError, match="not a finished dataset"):
        write_dataset_card(tmp_path / "set", tmp_path / "card", "x")
    assert not (tmp_path / "card").exists()


def test_the_job_takes_the_date_of_the_run_that_built_the_dataset(tmp_path: Path) -> None:
    run = tmp_path / "run"
    dataset = build_grown(run / "shards" / "train")
    arguments = ["--run.folder", str(run)]
    assert job.main(arguments) == 0
    assert json.loads((run / "dataset_card/card.json").read_text())["built"] is None
    for split, day in (("test", "2026-11-20"), ("train", "2026-11-21")):
        record = run / "synthesize" / split
        record.mkdir(parents=True)
        (record / "summary.json").write_text(json.dumps({"dataset": str(run / "shards" / split)}))
        (record / "run.json").write_text(json.dumps({"started_utc": f"{day}T10:00:00Z"}))
    assert job.main([*arguments, "--card.output", str(tmp_path / "card")]) == 0
    card = json.loads((tmp_path / "card/card.json").read_text())
    assert (card["built"], card["name"]) == ("2026-11-21", "run/train")
    assert json.loads((run / "dataset_card/summary.json").read_text())["frames_ok"] == 25
    assert read_manifest(dataset).frames_ok == 25
    assert job.main([*arguments, "--card.output", str(dataset / "card")]) == 2
