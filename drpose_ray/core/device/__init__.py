"""One meaning of ``run.device`` in every job: where its networks run (ADR 0014)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from drpose_ray.core.errors import InputError

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]


def choose_device(wanted: Device) -> torch.device:
    """The device of a job that computes in its own process, said in one line.

    ``auto`` is cuda where this machine has a GPU. Raises InputError if ``cuda`` is wanted where there is none.
    """
    import torch  # seconds, which a job that only reads its settings need not pay

    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise InputError(
            "torch sees no GPU on this machine", field="run.device", value=wanted,
            remedy="use run.device: cpu, or run where there is one; a submitted job gets one by "
            "`ray job submit --entrypoint-num-gpus 1`",
        )  # fmt: skip
    device = torch.device("cuda" if found and wanted != "cpu" else "cpu")
    if device.type == "cuda":
        say("cuda", torch.cuda.get_device_name())
    else:
        say("cpu", "as asked" if wanted == "cpu" else "torch sees no GPU on this machine")
    return device


def say(device: str, why: str) -> None:
    """The one line about what was chosen."""
    print(f"device: {device} ({why})", flush=True)
