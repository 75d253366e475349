"""A network in one safetensors file: weights, with its kind and its config as metadata, so the two cannot part."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from drpose_ray.errors import InputError
from drpose_ray.files import reason
from drpose_ray.publish import replace_when_complete

ConfigT = TypeVar("ConfigT", bound=BaseModel)


def save_weights(network: nn.Module, config: BaseModel, path: Path) -> None:
    """Publish the state of ``network`` at ``path``, in float16, with ``config`` in the metadata.

    Raises InputError if a weight is not finite; nothing is written then.
    """
    tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in network.state_dict().items()}
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(
                "weights that are not finite in half precision were not written", file=path, field=name,
                remedy="train again with a lower learning rate",
            )  # fmt: skip
    with replace_when_complete(path) as temporary:
        save_file(tensors, temporary, metadata={type(config).__name__: config.model_dump_json()})


def read_weights(network: nn.Module, path: Path) -> None:
    """Give ``network`` the tensors of a file. Raises InputError if they do not fit it or are not finite."""
    try:
        tensors = load_file(path)
        network.load_state_dict(tensors)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"the weights do not fit the network that the file describes ({reason(error)})", file=path,
            remedy="copy or train the file again",
        ) from error  # fmt: skip
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise InputError(
                "weights that are not finite", file=path, field=name, remedy="train it again with a lower learning rate"
            )


def read_config(path: Path, config_type: type[ConfigT]) -> ConfigT:
    """The config that ``save_weights`` stored. Raises InputError if the file holds another kind of network."""
    try:
        with safe_open(path, framework="pt") as stream:
            text = (stream.metadata() or {})[config_type.__name__]
        return config_type.model_validate_json(text)
    except (OSError, SafetensorError, KeyError, ValidationError) as error:
        raise InputError(
            f"not weights with a {config_type.__name__} ({type(error).__name__})",
            file=path,
            remedy="give a safetensors file written by this project's fit job",
        ) from error
