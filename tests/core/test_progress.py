from __future__ import annotations

import pytest

from drpose_ray.core import progress
from drpose_ray.core.progress import Progress, in_words


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(Progress, "_last_said", 0.0)
    return Clock()


def test_a_log_gets_the_first_the_last_and_a_line_every_ten_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("scans", 100, clock=clock) as reported:
        clock.now += 30  # workers start
        for _ in range(100):
            reported.step(note="3 broken")
            clock.now += 0.5
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["scans ...", "scans: 1 of 100, 30 s each, 49 min 30 s left; 3 broken"]
    assert lines[2] == "scans: 21 of 100, 2/s, 40 s left; 3 broken", "start-up counts for the first line only"
    assert lines[-1].startswith("scans: 100 of 100, ") and "left" not in lines[-1]
    assert len(lines) == 7


def test_what_was_there_is_said_and_does_not_count_for_the_rate(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("iterations", 100, there=60, clock=clock) as reported:
        clock.now += 10
        reported.step(10)
    assert capsys.readouterr().out.splitlines() == [
        "iterations: 60 of 100 were there", "iterations: 70 of 100, 1/s, 30 s left"
    ]  # fmt: skip


def test_how_many_are_left_may_become_known_by_the_first_that_is_done(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("shards", clock=clock) as reported:
        clock.now += 10
        reported.step(10, left=30)
    with Progress("iterations", 100, clock=clock) as resumed:
        clock.now += 10
        resumed.step(left=39)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "shards: 10 of 40, 1/s, 30 s left"
    assert lines[3] == "iterations: 61 of 100, 10 s each, 6 min 30 s left"


def test_silence_is_broken_by_the_innermost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LONGEST_SILENCE_S", 0.0)
    with Progress("training", 5) as outer, Progress("starting Ray") as inner:
        assert not inner._over.wait(2.5)
        outer.say("a whole line")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["training ...", "starting Ray ..."]
    assert "starting Ray: 1 s so far" in lines
    assert not [line for line in lines[1:] if line.startswith("training")]


def test_a_terminal_has_one_line_rewritten(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_on_terminal", lambda: True)
    with Progress("photos", 2, clock=clock) as reported:
        reported.step()
        reported.say("b.png: too small")
        clock.now += 1
        reported.step()
    first, said, last, end = capsys.readouterr().out.split("\n")
    assert first.startswith("\rphotos ...\rphotos: 1 of 2")
    assert (said, end) == ("b.png: too small", "")
    assert last.startswith("\rphotos: 2 of 2")


@pytest.mark.parametrize(("seconds", "words"), [(40, "40 s"), (320, "5 min 20 s"), (11_100, "3 h 5 min")])
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
