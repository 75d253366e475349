"""Workers are killed at random moments of one build, and every byte is that of an undisturbed one.

Five times; ``DRPOSE_RAY_KILLS=100`` makes it the longer mode.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from drpose_ray.datasets.builder.local import build
from drpose_ray.datasets.builder.on_ray import MakerPool, build_on_ray
from drpose_ray.datasets.builder.plan import plan_build
from drpose_ray.datasets.inspect.verify import inspect
from tests.datasets.builder.stripes import Stripes, make_windows, silent

KILLS = int(os.environ.get("DRPOSE_RAY_KILLS", "5"))
WORKERS = 2


class Known(Stripes):
    """Stripes whose process can be found; slow enough to be met at work."""

    def __init__(self, folder: Path) -> None:
        super().__init__(dawdle_s=0.05)
        (folder / str(os.getpid())).touch()


class Maker:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self) -> Known:
        return Known(self.folder)


class Killer(threading.Thread):
    """Kills a worker that has begun, waits for another to begin, and so on until there were enough."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.kills, self.done = folder, 0, False

    def run(self) -> None:
        moments = random.Random(4)
        while not self.done and self.kills < KILLS:
            time.sleep(moments.uniform(0.0, 0.5))
            working = sorted(self.folder.iterdir())
            if not working:
                continue
            worker = moments.choice(working)
            try:
                os.kill(int(worker.name), signal.SIGKILL)
                self.kills += 1
            except ProcessLookupError:
                pass
            worker.unlink()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.usefixtures("ray_session")
def test_a_build_whose_workers_are_killed_again_and_again_has_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    windows = make_windows(KILLS * 16, clips={2: "half-drawn", 5: "refused"})
    plain = plan_build(windows, Stripes(), tmp_path / "plain", 8)
    build(plain, Stripes(), silent)
    (tmp_path / "workers").mkdir()
    # Any worker is killed within half a second, however busy the machine: no window is to blame.
    killed = replace(plan_build(windows, Stripes(), tmp_path / "killed", 8), most_deaths=10**6)
    killer = Killer(tmp_path / "workers")
    killer.start()
    build_on_ray(killed, [MakerPool(Maker(tmp_path / "workers"), WORKERS)], silent)
    killer.done = True
    assert killer.kills >= KILLS
    expected = {path.name: path.read_bytes() for path in Path(plain.location).iterdir()}
    left = {path.name: path.read_bytes() for path in Path(killed.location).iterdir() if ".part." not in path.name}
    assert left == expected
    assert list(inspect(killed.location)) == []
