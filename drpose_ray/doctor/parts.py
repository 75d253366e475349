"""The parts of the paper that this project cannot ship: what each is for, where it is given out, under which terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Part:
    """A kind of file or folder that settings name."""

    name: str
    field: str
    """The setting that names it, or the first of several."""
    purpose: str
    source: str
    terms: str

    @property
    def remedy(self) -> str:
        """What it is for, where to get it, and the terms."""
        return f"for {self.purpose}: {self.source} ({self.terms})"


SMPLX: Final = Part(
    "SMPL-X body", "synthesis.clothed_body.body", "bodies in the poses of people (Sec. 3.2) and the fits of scans",
    "SMPLX_NEUTRAL.npz of https://smpl-x.is.tue.mpg.de", "an account; non-commercial research",
)  # fmt: skip
MOTIONS: Final = Part(
    "motions", "poses.motions", "the poses that are trained on (Sec. 3.2)",
    "Motion-X, https://github.com/IDEA-Research/Motion-X, or another collection of docs/motions.md",
    "a form; non-commercial research, no sublicensing",
)  # fmt: skip
BASE: Final = Part(
    "base model", "finetune.model.base", "what is post-trained, and its VAE's latents",
    "https://github.com/pengHTYX/PSHuman or https://github.com/pengHTYX/Era3D, a whole Hugging Face folder",
    "weights of PSHuman CC BY 4.0, of Era3D Apache-2.0 and CC BY 4.0",
)  # fmt: skip
PROMPTS: Final = Part(
    "prompt embeddings", "finetune.model.text_embeddings", "what tells the base its views and domains apart",
    "normal_embeds.pt and clr_embeds.pt beside the base's code, https://github.com/pengHTYX/PSHuman",
    "PSHuman's code: MIT; Era3D's: AGPL-3.0",
)  # fmt: skip
MIMO: Final = Part(
    "MIMO", "synthesis.mimo.weights", "the paper's images of people in the poses (Sec. 3.2)",
    "pretrained_weights of https://github.com/menyifang/MIMO", "code Apache-2.0; see its page for the weights",
)  # fmt: skip
COLORS: Final = Part(
    "MIMO's colour table", "synthesis.mimo.color_table", "the pose images that MIMO's weights know",
    "an asset of https://github.com/menyifang/MIMO that was not found in public: docs/mimo.md", "unknown",
)  # fmt: skip
PHOTOS: Final = Part(
    "photos of people", "synthesis.mimo.photos", "whom MIMO animates", "your own, cut out with transparency",
    "state them in synthesis.mimo.photo_licence",
)  # fmt: skip
BACKBONE: Final = Part(
    "LPIPS backbone", "distance.backbone_weights", "the perceptual half of Eq. 1's distance",
    "torchvision's ImageNet weights, e.g. https://download.pytorch.org/models/vgg16-397923af.pth",
    "torchvision's: BSD-3-Clause",
)  # fmt: skip
SCANS: Final = Part(
    "scans", "scans.sources", "the six views that the reward's predictor is fitted to (Sec. 4.1)",
    "THuman2.1, https://github.com/ytrock/THuman2.0-Dataset; CustomHumans, https://custom-humans.github.io; "
    "2K2K, https://github.com/SangHunHan92/2K2K", "a form each; non-commercial research, no redistribution",
)  # fmt: skip
SHARDS: Final = Part(
    "dataset", "reward.multiview_shards", "training pairs or six views of scans",
    "made here, by jobs/render_scans.py from scans or jobs/synthesize.py from motions", "those of what it is made from",
)  # fmt: skip
DERIVED: Final = Part(
    "encoded dataset", "finetune.data.conditions", "training without encoders in memory",
    "made here, by jobs/encode_conditions.py or jobs/encode_latents.py", "those of the dataset",
)  # fmt: skip
PREDICTOR: Final = Part(
    "skeleton predictor", "finetune.reward.predictor", "g_skel of Eq. 1",
    "made here, by jobs/fit_reward.py; jobs/pipeline.py does it first", "those of the scans",
)  # fmt: skip
ESTIMATOR: Final = Part(
    "pose estimator", "evaluate.estimator", "the judgement before and after", "made here, by jobs/fit_estimator.py",
    "those of the people it was fitted to",
)  # fmt: skip
SMALL: Final = Part(
    "small weights", "shipped", "the demo and the tests", "they come with the repository: start the job in its folder",
    "weights/small/README.md",
)  # fmt: skip

PARTS: Final = (
    SMPLX, MOTIONS, BASE, PROMPTS, MIMO, COLORS, PHOTOS, BACKBONE, SCANS, SHARDS, DERIVED, PREDICTOR, ESTIMATOR,
)  # fmt: skip
