from __future__ import annotations

import subprocess
import sys

_IMPORTS = """
from drpose_ray.core.torchvision_ops import define_missing_operators
define_missing_operators()
define_missing_operators()
import torch, torchvision, lpips
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection
assert hasattr(torch.ops.torchvision, "nms")
lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
"""


def test_libraries_that_need_torchvision_import_after_the_operators_are_declared() -> None:
    """In a fresh process, since the order of the first import is what is at stake."""
    done = subprocess.run([sys.executable, "-c", _IMPORTS], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
