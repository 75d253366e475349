"""R(J(theta)) of Eq. 1: the 23 joints drawn as soft skeleton maps in the views of the generated images (Sec. 3.1, 4.1).

The paper says "23 channels, each channel corresponding to one joint" and no more. Here channel j is the limb from its
parent to joint j as a Gaussian-edged capsule of level ``BONE_LEVEL``, plus a blob that rises to 1 at joint j. The bone
gives a gradient where the joint itself is far off; the blob makes the channel say *which* end of the limb is meant.
The pelvis is its own parent, so its map is a disc. Nothing occludes and left and right have separate channels.
"""

from __future__ import annotations

import colorsys
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from drpose_ray.datasets.posed import PosedPeople
from drpose_ray.geometry.cameras import VIEW_AZIMUTHS_DEG, project
from drpose_ray.geometry.skeleton import JOINT_NAMES, NUM_JOINTS, PARENTS

BONE_LEVEL = 0.5
BONE_SIGMA = 0.012
"""Standard deviation of the capsule's Gaussian edge, as a share of the image."""
MIN_BONE_SIGMA_PX = 0.8
"""Below this a capsule falls between pixel centres: at 32 px the share above would be 0.4 px."""
BLOB_RATIO = 1.5
"""Blob sigma over bone sigma; at 96 px the blob is then 1.7 px."""

_WINDOWED_FROM_PX = 64  # below it a limb's box is most of the image, and small calls cost more than they save
_MIN_LIMB_PX2 = 1e-6  # a limb seen end-on has no direction; its capsule is the disc around either end


def render_skeleton_maps(
    joints_world: Float[Tensor, "B J 3"],
    center_world: Float[Tensor, "B 3"],
    width_m: Float[Tensor, " B"],
    azimuths_deg: Float[Tensor, " V"],
    size: int,
) -> Float[Tensor, "B V J {size} {size}"]:
    """Draw the maps by evaluating the capsule formula at every pixel; differentiable in the joints.

    Args:
        joints_world: metres, world axes.
        center_world: metres, shown at the image centre.
        width_m: metres shown across the image.
        azimuths_deg: of the views.
        size: map side in pixels.

    Returns:
        Maps in [0, 1], dtype of the joints.
    """
    start, end = _limbs(joints_world, center_world, width_m, azimuths_deg, size)
    centres = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5
    return _draw(start[..., None, None, :], end[..., None, None, :], centres, centres, size)


@torch.no_grad()
def render_skeleton_maps_windowed(
    joints_world: Float[Tensor, "B J 3"],
    center_world: Float[Tensor, "B 3"],
    width_m: Float[Tensor, " B"],
    azimuths_deg: Float[Tensor, " V"],
    size: int,
    reach_sigmas: float = 4.0,
) -> Float[Tensor, "B V J {size} {size}"]:
    """Same maps as ``render_skeleton_maps``, each drawn only inside its limb's box; for targets of large images.

    Pixels further than ``reach_sigmas`` blob sigmas from the box are 0, so no pixel is off by more than
    exp(-reach_sigmas^2 / 2) (3.4e-4 at 4). Targets are constants in Eq. 1, so this version carries no gradient.
    """
    start, end = _limbs(joints_world, center_world, width_m, azimuths_deg, size)
    reach = reach_sigmas * BLOB_RATIO * _bone_sigma_px(size)
    low = (torch.minimum(start, end) - reach).floor().clamp(0, size).long().flatten(0, 2).tolist()
    high = (torch.maximum(start, end) + reach).ceil().clamp(0, size).long().flatten(0, 2).tolist()
    centres = torch.arange(size, device=start.device, dtype=start.dtype) + 0.5
    maps = start.new_zeros(*start.shape[:-1], size, size)
    flat, starts, ends = maps.flatten(0, 2), start.flatten(0, 2), end.flatten(0, 2)
    for index, ((left, top), (right, bottom)) in enumerate(zip(low, high, strict=True)):
        if left < right and top < bottom:
            window = _draw(starts[index], ends[index], centres[left:right], centres[top:bottom], size)
            flat[index, top:bottom, left:right] = window
    return maps


@torch.no_grad()
def target_maps(
    people: PosedPeople, size: int, views: Int[Tensor, " V"] | None = None
) -> Float[Tensor, "N V J {size} {size}"]:
    """R(J(theta)) of ``people`` as constants, in the six views or those of the given numbers: windowed where that is
    faster, on a CPU for large maps.
    """
    azimuths_deg = torch.tensor(VIEW_AZIMUTHS_DEG)[slice(None) if views is None else views.cpu()]
    windowed = size >= _WINDOWED_FROM_PX and people.joints.device.type == "cpu"
    draw = render_skeleton_maps_windowed if windowed else render_skeleton_maps
    return draw(people.joints, people.center, people.width_m, azimuths_deg.to(people.joints.device), size)


def compose_preview(maps: Float[Tensor, "*axes J s s"]) -> Float[Tensor, "*axes 3 s s"]:
    """Overlay the channels in 23 fixed colours on black, all in [0, 1].

    Screen blending, 1 - prod(1 - map * colour): symmetric in the channels and differentiable in all of them.
    """
    colors = torch.tensor(JOINT_COLORS, dtype=maps.dtype, device=maps.device)
    planes = [(1 - maps * colors[:, c, None, None]).prod(-3) for c in range(3)]
    return 1 - torch.stack(planes, -3)


def _joint_colors() -> tuple[tuple[float, float, float], ...]:
    """Left limbs cold, right limbs warm, the trunk green to yellow, so that a mirrored pose looks wrong."""
    hue_ranges = {"left": (0.5, 0.72), "right": (0.86, 1.08), "trunk": (0.2, 0.4)}
    sides = ["left" if n.startswith("left") else "right" if n.startswith("right") else "trunk" for n in JOINT_NAMES]
    colors = []
    for joint, side in enumerate(sides):
        low, high = hue_ranges[side]
        share = sides[:joint].count(side) / (sides.count(side) - 1)
        colors.append(colorsys.hsv_to_rgb((low + share * (high - low)) % 1, 0.85, 1.0))
    return tuple(colors)


JOINT_COLORS = _joint_colors()
"""One RGB colour in [0, 1] per joint."""


def _bone_sigma_px(size: int) -> float:
    return max(BONE_SIGMA * size, MIN_BONE_SIGMA_PX)


def _limbs(
    joints_world: Float[Tensor, "B J 3"],
    center_world: Float[Tensor, "B 3"],
    width_m: Float[Tensor, " B"],
    azimuths_deg: Float[Tensor, " V"],
    size: int,
) -> tuple[Float[Tensor, "B V J 2"], Float[Tensor, "B V J 2"]]:
    """Parent end and joint end of each limb in pixels."""
    if joints_world.shape[-2:] != (NUM_JOINTS, 3):
        raise ValueError(f"joints must be (B, {NUM_JOINTS}, 3), got {tuple(joints_world.shape)}")
    end = project(joints_world, center_world, width_m, azimuths_deg) * size
    return end[:, :, list(PARENTS)], end


def _draw(start: Tensor, end: Tensor, x_centres: Tensor, y_centres: Tensor, size: int) -> Tensor:
    """Capsule plus blob at the given pixel centres: ends (..., 2) broadcast against (len(y), len(x))."""
    sigma = _bone_sigma_px(size)
    limb = end - start
    length2 = (limb * limb).sum(-1).clamp_min(_MIN_LIMB_PX2)
    x, y = x_centres - start[..., 0], y_centres[:, None] - start[..., 1]
    along = ((x * limb[..., 0] + y * limb[..., 1]) / length2).clamp(0, 1)
    bone2 = (x - along * limb[..., 0]).square() + (y - along * limb[..., 1]).square()
    # The blob is separable, so its exponential costs a row and a column instead of a plane.
    blob_scale = -0.5 / (BLOB_RATIO * sigma) ** 2
    blob = torch.exp((x - limb[..., 0]).square() * blob_scale) * torch.exp((y - limb[..., 1]).square() * blob_scale)
    return BONE_LEVEL * torch.exp(bone2 * (-0.5 / sigma**2)) + (1 - BONE_LEVEL) * blob


def truncation_bound(reach_sigmas: float) -> float:
    """Largest error of ``render_skeleton_maps_windowed`` at any pixel."""
    return math.exp(-0.5 * reach_sigmas**2)
