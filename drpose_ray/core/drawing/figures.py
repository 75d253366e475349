"""Matplotlib as every report uses it: one look, no display, no global state, PNG bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from drpose_ray.core.drawing.pictures import as_png

COLORS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's: told apart by colour-blind readers."""

_PALE: Final = "#999999"


def panels(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """``count`` plots in a row, each of ``width`` x ``height`` inches."""
    with mpl.rc_context({"font.family": "DejaVu Sans"}):
        # Figure, not pyplot: no display, no global state, safe in any process.
        figure = Figure(figsize=(width * count, height), layout="constrained")
        axes = [figure.add_subplot(1, count, i + 1) for i in range(count)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8, color=_PALE)
        axis.grid(color="#eeeeee", linewidth=0.8)
        axis.set_axisbelow(True)
    return figure, axes


def title(axis: Axes, text: str, across: str = "", up: str = "") -> None:
    """A panel's title at its left, and what its axes show."""
    axis.set_title(text, loc="left", fontsize=9)
    axis.set_xlabel(across, fontsize=8)
    axis.set_ylabel(up, fontsize=8)


def legend(axes: Sequence[Axes]) -> None:
    """Once, in the first panel that has something to name."""
    for axis in axes:
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize=8, frameon=False)
            return


def save(figure: Figure, dpi: int = 150, num_colors: int = 128) -> bytes:
    """``figure`` as PNG on white, its colours thinned out so that a report can be mailed."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=dpi, facecolor="white")
    return as_png(Image.open(stream, formats=["PNG"]).convert("RGB"), num_colors)
