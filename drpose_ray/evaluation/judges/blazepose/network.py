"""BlazePose's two networks as Google published them, run by LiteRT on one thread."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import file_sha256

BLAZEPOSE_FOLDER: Final = Path("weights/blazepose")
DETECTOR_FILE: Final = "pose_detection.tflite"
LANDMARKS_FILE: Final = "pose_landmark_full.tflite"

_SHA256: Final = {
    DETECTOR_FILE: "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    LANDMARKS_FILE: "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}


class Network:
    """A network of one picture, (1, s, s, 3) float32, with several answers.

    Numbers that were measured hold for these bytes alone, so a file of any others is refused before it is read.
    """

    def __init__(self, folder: Path, name: str) -> None:
        """Load ``folder / name``. Raises InputError if it is not the published file, or LiteRT is not installed."""
        path, remedy = (
            folder / name,
            f"restore {BLAZEPOSE_FOLDER} from the repository; its README says where it is from",
        )
        if not path.is_file():
            raise InputError("a network of BlazePose is missing", file=path, remedy=remedy)
        if (found := file_sha256(path)) != _SHA256[name]:
            raise InputError(
                "this is not BlazePose's published network, or it is damaged", file=path, field="sha256", value=found,
                remedy=remedy,
            )  # fmt: skip
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise InputError(
                "BlazePose cannot run: the package ai-edge-litert is missing or broken", value=str(error)[:200],
                remedy="pip install -c constraints.txt ai-edge-litert",
            ) from error  # fmt: skip
        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = (each["index"] for each in self._interpreter.get_input_details())
        self._outputs = [each["index"] for each in self._interpreter.get_output_details()]

    def __call__(self, picture: Float32[NDArray[np.float32], "1 s s 3"]) -> list[NDArray[np.float32]]:
        """Its answers, in the file's order."""
        self._interpreter.set_tensor(self._input, picture)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]
