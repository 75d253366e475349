"""Every command of README and docs is parsed, and every block that can be run here is, in its smallest form."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from drpose_ray.cli import load_job
from drpose_ray.core.settings.config import load_config
from tests.documented import PAGES, ROOT, Block, jobs_of, read_blocks

BLOCKS = [block for page in PAGES for block in read_blocks(page)]

NOT_RUN = {
    "make demo": "tests/experiments/test_pipeline.py runs the chain in its smallest form",
    "make test": "this is it",
    "configs/paper.yaml": "needs licensed weights",
    "configs/architectures/pshuman": "tests/finetune/test_plan_memory.py plans for it",
    "X/": "how the shipped predictor was made: hours",
    "ray up": "needs a cloud account",
    "ray dashboard": "needs a cluster",
    "submit": "needs a cluster; tests/experiments/test_pipeline.py runs these three, one after the other",
    '"weights": "-"': "MIMO's pose images at 784 px take half a minute; tests/synthesis plan them small",
    "benchmarks/": "benchmarks run for minutes; they are compiled by the linter",
}
"""Part of a command -> why it is not run here. All commands are parsed."""

_SMALL_MODEL = {
    "--finetune.optimizer.num_iterations": "1",
    "--finetune.optimizer.batch_size": "1",
    "--finetune.parallel.num_workers": "1",
}
TINY = {
    "select_poses": {"--poses.num_train": "2", "--poses.num_val": "2", "--poses.num_test": "0", "--poses.window": "2",
                     "--poses.dance.num_clips": "6", "--poses.dance.seconds": "2"},
    "synthesize": {"--synthesis.workers": "1", "--synthesis.clothed_body.image_size": "96"},
    "finetune": _SMALL_MODEL,
    "sweep": {**_SMALL_MODEL, "--sweep.kl_weights": "[4]", "--sweep.max_early_stops": "[2]",
              "--evaluate.num_sampling_steps": "2"},
    "make_scans": {"--twin.num": "4", "--twin.texture_size": "64"},
    "render_scans": {"--renders.engine": "raycast", "--renders.image_size": "96", "--renders.workers": "1"},
    "render_people": {"--people.sets":
                      '{"standing": {"num": 4, "seed": 901, "mixture": {"standing": 1.0}},'
                      ' "moderate": {"num": 4, "seed": 902, "mixture": {"moderate": 1.0}},'
                      ' "dance": {"num": 4, "seed": 903, "mixture": {"dance": 1.0}}}'},
    "report_reward": {"--reward_report.splits": '{"standing": "outputs/reward/people/standing"}',
                      "--reward_report.people_per_split": "4", "--reward_report.few": "4",
                      "--reward_report.angles_deg": "[10, 40]", "--reward_report.ascent_steps": "2",
                      "--reward_report.generated_steps": "0", "--distance.perceptual_weight": "0"},
    "fit_reward": {"--reward.fit.updates": "1", "--reward.fit.samples_per_update": "2",
                   "--reward.fit.validation_samples": "1", "--distance.perceptual_weight": "0"},
    "plan_synthesis": {"--synthesis.clothed_body.image_size": "32", "--planning.measured_windows": "1"},
}  # fmt: skip
"""Job -> flags that make it as small as it can be."""


def smallest(job: str, flags: list[str], folder: Path, tracking_uri: str) -> list[str]:
    """``flags`` with outputs and presets below ``folder`` and the job's sizes cut down."""
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    # docs/dataset.md chose small sizes, and its steps count on them.
    guide = re.search("outputs/guide(?!_scans)", str(given)) is not None
    tiny = {} if guide else TINY.get(job, {})
    tracked = {"--run.tracking_uri": tracking_uri} if job in {"finetune", "fit_reward", "sweep"} else {}
    return [below(word, folder) for pair in (given | tiny | tracked).items() for word in pair]


def below(word: str, folder: Path) -> str:
    """Outputs, presets and the reader's own data, as paths below ``folder``."""
    word = re.sub(r"(?<![\w.])(/shared/)?outputs/", f"{folder}/outputs/", word)
    word = re.sub(r"^configs/", f"{folder}/configs/", word)
    return word.replace("data/scans", f"{folder}/outputs/scans/renders")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the blocks leave what they make; presets in it write there too."""
    root = tmp_path_factory.mktemp("documented")
    for preset in (ROOT / "configs").glob("*.yaml"):
        (root / "configs").mkdir(exist_ok=True)
        (root / "configs" / preset.name).write_text(preset.read_text().replace(" outputs/", f" {root}/outputs/"))
    return root


def why_not(command: str) -> str | None:
    return next((reason for part, reason in NOT_RUN.items() if part in command), None)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_command_is_understood(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs accept their flags; targets, presets and files that are named exist."""
    monkeypatch.chdir(ROOT)
    for command in block.commands:
        for job, flags in jobs_of(command):
            load_config(load_job(job).CONFIG, flags)
        words = shlex.split(command, comments=True)
        for word in words:
            if re.fullmatch(r"(configs|benchmarks|jobs)/[\w/]+\.\w+|cluster\.yaml", word):
                assert (ROOT / word).is_file(), word


def test_the_pages_do_hold_commands_and_every_reason_is_used() -> None:
    commands = [command for block in BLOCKS for command in block.commands]
    assert sum(1 for command in commands for _ in jobs_of(command)) > 40
    assert [part for part in NOT_RUN if not any(part in command for command in commands)] == []


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_every_block_runs(
    block: Block, folder: Path, ray_session: None, tracking_uri: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(ROOT)
    ran = 0
    for command in block.commands:
        for job, flags in [] if why_not(command) else jobs_of(command):
            status = load_job(job).main(smallest(job, flags, folder, tracking_uri))
            assert status == 0, f"{command}\n{capsys.readouterr().err}"
            ran += 1
    if not ran:
        pytest.skip("; ".join(sorted({why_not(command) or "no job in it" for command in block.commands})))


def test_the_folders_and_files_that_pages_name_are_there() -> None:
    """Of the tree: ``evaluation/reward/`` and ``tests/poses/``, not what lies in somebody's run folder or model."""
    tops = {path.name for root in (ROOT, ROOT / "drpose_ray") for path in root.iterdir()} - {"outputs"}
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("[!l]*.md")):
        named = re.findall(r"`((?:drpose_ray/|tests/)?[a-z_]+/(?:[a-z_0-9]+/)*(?:[a-z_0-9]+\.py)?)`", page.read_text())
        for name in {name for name in named if name.partition("/")[0] in tops}:
            assert (ROOT / name).exists() or (ROOT / "drpose_ray" / name).exists(), f"{page.name}: {name}"
