from __future__ import annotations

import pytest

from drpose_ray.core.errors import InputError
from drpose_ray.synthesis.mimo.windows import frame_windows


@pytest.mark.parametrize("num_frames", [1, 10, 24])
def test_up_to_one_window_of_frames_is_one_window(num_frames: int) -> None:
    assert frame_windows(num_frames) == (tuple(range(num_frames)),)


def test_longer_clips_wrap_around() -> None:
    assert frame_windows(25) == (tuple(range(24)), (*range(20, 25), *range(19)))


def test_the_longest_clip_has_eight_full_windows_that_cover_it() -> None:
    windows = frame_windows(150)
    assert [window[0] for window in windows] == list(range(0, 150, 20))
    assert {len(set(window)) for window in windows} == {24}
    assert set().union(*windows) == set(range(150))


@pytest.mark.parametrize(("num_frames", "overlap", "field"), [(0, 4, "num_frames"), (30, 24, "overlap")])
def test_windows_that_cannot_be_are_refused(num_frames: int, overlap: int, field: str) -> None:
    with pytest.raises(InputError) as caught:
        frame_windows(num_frames, overlap=overlap)
    assert caught.value.field == field
