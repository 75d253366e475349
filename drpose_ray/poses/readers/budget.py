"""What one file of motion may ask for. A number in a file is a claim: none is used before it is held against these."""

from __future__ import annotations

from typing import Final

MAX_FRAMES: Final = 2_000_000
"""Of one clip or archive: four and a half hours at 120 frames a second."""
MIN_FPS: Final = 1.0
MAX_FPS: Final = 10_000.0
MAX_NAME: Final = 500
"""Letters in the name of a clip or of a joint."""

MAX_BVH_BYTES: Final = 256 * 2**20
"""Ten minutes of a hand-and-body skeleton at 240 frames a second take a fifth of it."""
MAX_HIERARCHY: Final = 16 * 2**20
"""Letters before the numbers of a BVH."""
MAX_JOINTS: Final = 1_000
MAX_CHANNELS: Final = 6
MAX_JOINT_FRAMES: Final = 20_000_000
"""Joints times frames of a BVH, each of which becomes a rotation matrix: 1.4 GB."""
MAX_BVH_NUMBER: Final = 1e7
"""Degrees or units of length; what is beyond is no measurement, and its frame is masked."""

MAX_TENSOR_BYTES: Final = 512 * 2**20
"""Of a PyTorch file, packed and unpacked."""
