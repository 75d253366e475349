"""A network in one safetensors file: weights, with its kind and its config as metadata, so the two cannot part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from drpose_ray.core.errors import InputError
from drpose_ray.core.files.publish import replace_when_complete
from drpose_ray.core.files.reading import is_there, refusing
from drpose_ray.core.files.weight_files import load_strictly

ConfigT = TypeVar("ConfigT", bound=BaseModel)
NetworkT = TypeVar("NetworkT", bound=nn.Module)

_REMEDY: Final = "give a safetensors file written by this project's fit job"


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


def load_network(path: Path, config_type: type[ConfigT], build: Callable[[ConfigT], NetworkT]) -> NetworkT:
    """The network that ``save_weights`` stored, in float32. It is built only once it is known that the file holds it.

    Raises InputError if the file is of another kind of network, or its weights do not fit it or are not finite.
    """
    config = read_config(path, config_type)
    with (
        refusing(path, config_type.__name__, "it describes no network that can be built", _REMEDY),
        torch.device("meta"),
    ):
        described = build(config)
    load_strictly(described, path, torch.float32)
    network = build(config)
    network.load_state_dict(described.state_dict())
    return network


def read_config(path: Path, config_type: type[ConfigT]) -> ConfigT:
    """The config that ``save_weights`` stored. Raises InputError if the file holds another kind of network."""
    if not is_there(path):  # a pipe would be waited for
        raise InputError("no such file of weights", file=path, remedy=_REMEDY)
    try:
        with safe_open(path, framework="pt") as stream:
            text = (stream.metadata() or {})[config_type.__name__]
        return config_type.model_validate_json(text)
    except (OSError, SafetensorError, KeyError, ValidationError) as error:
        raise InputError(
            f"not weights with a {config_type.__name__} ({type(error).__name__})",
            file=path,
            remedy=_REMEDY,
        ) from error
