"""Settings of scans: the ``scans:`` section, and ``twin:`` for the free twin."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from drpose_ray.core.settings.config import Config
from drpose_ray.scans.scan import Layout


class ScanSource(Config):
    """One folder of scans."""

    folder: Path = Field(description="Folder where a dataset was unpacked, with meshes and fits somewhere below.")
    format: Layout | None = Field(default=None, description="Layout of the folder; null judges by what it holds.")
    name: str | None = Field(
        default=None, min_length=1, description="Name of the source in records; null means the layout's dataset."
    )
    licence: str | None = Field(
        default=None, min_length=1, description="Terms in records; null means the dataset's own."
    )
    body: Path | None = Field(
        default=None,
        description="Body model (SMPLX_*.npz) that the fits are for (THuman2.0 and CustomHumans: male); null means "
        "the run's body.",
    )
    first: int | None = Field(
        default=None,
        ge=0,
        description="Number, at the start of its name, of the first scan to take; null sets no limit.",
    )
    last: int | None = Field(
        default=None, ge=0, description="Number of the last scan to take, inclusive; null sets no limit."
    )

    @model_validator(mode="after")
    def _check_range(self) -> ScanSource:
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError(f"scans {self.first} to {self.last} are none")
        return self

    @property
    def is_part(self) -> bool:
        """Whether only some of the folder's scans are meant, by their numbers."""
        return self.first is not None or self.last is not None

    @property
    def range(self) -> str:
        """E.g. ``526..`` and ``..525``."""
        return "..".join("" if end is None else str(end) for end in (self.first, self.last))


class ScanChecks(Config):
    """What is accepted as a scan; what is not is refused before it is decoded, where its size is the reason."""

    max_mesh_bytes: int = Field(default=2**29, ge=1, description="Largest size of a mesh file or a texture in bytes.")
    max_fit_bytes: int = Field(default=2**23, ge=1, description="Largest size of a fit file in bytes, unpacked.")
    max_faces: int = Field(
        default=5_000_000,
        ge=1,
        description="Largest number of triangles of a mesh, and three times that of its vertices.",
    )
    min_faces: int = Field(
        default=500, ge=1, description="Smallest number of triangles of a mesh; fewer are not a person."
    )
    max_texture_pixels: int = Field(default=8192 * 16384, ge=1, description="Largest number of pixels of a texture.")
    max_degenerate_share: float = Field(
        default=0.05, ge=0, le=1, description="Largest share of triangles without area; up to it they are left out."
    )
    max_uv_outside_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Largest share of corners outside the texture; up to it they are moved to its edge.",
    )
    size_range: tuple[float, float] = Field(
        default=(0.8, 1.35), description="Smallest and largest diagonal of the scan's box over that of its fit's body."
    )
    max_median_distance_m: float = Field(
        default=0.03,
        gt=0,
        description="Largest median distance in metres from the surface of the fit's body to the scan.",
    )
    far_m: float = Field(
        default=0.1,
        gt=0,
        description="Distance in metres from the scan beyond which a point of the fit's body is off it.",
    )
    max_turned_ratio: float = Field(
        default=0.6, ge=0, le=1, description="A scan that fits so much better turned back to front is refused."
    )
    max_far_share: float = Field(
        default=0.15, ge=0, le=1, description="Largest share of the fit's body that may be off the scan."
    )


class ScanSplits(Config):
    """Which scans are tested on: published lists where there are any, a hash of the subject elsewhere."""

    test_lists: dict[str, Path] = Field(
        default_factory=dict, description="Files of test scans' names, one a line (data/splits), by the source's name."
    )
    test_share: float = Field(
        default=0.1, ge=0, lt=1, description="Hashed share of subjects to test on, of sources without a list."
    )
    val_share: float = Field(
        default=0.05, ge=0, lt=1, description="Hashed share of subjects to validate on, of all sources."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the hash.")

    @model_validator(mode="after")
    def _check_shares(self) -> ScanSplits:
        if self.test_share + self.val_share >= 1:
            raise ValueError(f"test_share {self.test_share} and val_share {self.val_share} leave nothing to train on")
        return self


class ScansConfig(Config):
    """The ``scans:`` section."""

    COMMON = ("sources",)

    sources: tuple[ScanSource, ...] = Field(default=(), description="Folders of scans.")
    body: Path | None = Field(
        default=None, description="Body model, an SMPLX_*.npz; by default the free body, exported once."
    )
    checks: ScanChecks = Field(default=ScanChecks(), description="Limits, and what counts as a fit that fits.")
    splits: ScanSplits = Field(default=ScanSplits(), description="Which scans are for training, validation and test.")


class TwinConfig(Config):
    """The ``twin:`` section: clothed people with texture and fit, as many as wanted."""

    COMMON = ("num",)

    num: int = Field(default=50, ge=1, description="Number of scans.")
    seed: int = Field(default=0, ge=0, description="Seed of people, outfits, poses and units.")
    garments: Path | None = Field(
        default=None, description="Folder of MakeHuman's garments that dress people; null paints them."
    )
    poses_per_person: int = Field(default=1, ge=1, description="Number of scans of each person, each in another pose.")
    mixture: dict[str, float] = Field(
        default_factory=lambda: {"standing": 0.25, "moderate": 0.35, "dance": 0.4},
        description="Share of each pose source: standing, moderate, dance, box, mocap.",
    )
    texture_size: int = Field(
        default=1024,
        ge=64,
        le=8192,
        description="Side of the square texture in pixels; of dressed people that of each picture in it.",
    )
    scan_units: bool = Field(
        default=True,
        description="Whether each scan is scaled and shifted at random, as THuman's are, and its fit says so; "
        "otherwise it is in metres.",
    )
