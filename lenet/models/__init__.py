"""Architectures, one per file, built by name."""

from __future__ import annotations

import torch
from torch import nn

from lenet import registry
from lenet.config import ConfigError
from lenet.loading import load_class


def build_model(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    classes: int,
    dropout: float,
    width: int,
    seed: int,
    generator: torch.Generator,
) -> nn.Module:
    """The architecture `name` with initial weights drawn from `seed`, on the CPU.

    `name` is in `registry.MODELS` or is a class of the user's own ("package.module:Class")
    that takes the same keywords: `input_shape` (channels, height, width), `classes`,
    `dropout` and `generator`, from which dropout masks are drawn while training; and `width`,
    if it is to be had in other widths than 1. On several workers, who must draw alike, it leaves
    the drawing to `lenet.models.dropout.Dropout`.
    The caller's random state is left as it was. Raises `ConfigError` if the class cannot
    be loaded or does not take the keywords.
    """
    model_class = load_class(registry.MODELS.get(name, name))
    scaled = {} if width == 1 else {"width": width}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = model_class(
                input_shape=input_shape,
                classes=classes,
                dropout=dropout,
                generator=generator,
                **scaled,
            )
        except TypeError as error:
            raise ConfigError(
                f"model={name} cannot be built: {error}; a model takes input_shape, classes, "
                "dropout and generator as keywords, and width if it is to have several"
            ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model={name} is no torch.nn.Module")
    if not any(True for _ in model.parameters()):
        raise ConfigError(f"model={name} has no parameters to train: give it layers")
    return model
