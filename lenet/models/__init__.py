"""Models by name, one architecture per file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.loading import (
    describe_failure,
    describe_keywords,
    load_object,
    place_of,
    unknown_keyword,
)
from lenet.seeds import seed_torch


def build_model(
    name: str,
    *,
    input_shape: tuple[int, ...],
    classes: int,
    generator: torch.Generator,
    seed: int,
    dropout: float = TrainConfig.dropout,
    width: int = TrainConfig.width,
    own: Mapping[str, Any] | None = None,
) -> nn.Module:
    """Build the model `name` on the CPU, with initial weights drawn from `seed`.

    `name` is in `registry.MODELS`, or the path of the user's own class or function,
    "package.module:Class". It declares any of these keywords and receives only those:

    - `input_shape`: shape of one input; of an image (channels, height, width)
    - `classes`: number of outputs: classes, or values of a regression's target
    - `dropout`: probability of zeroing a unit, in [0, 1)
    - `generator`: the source of the dropout masks, on the device of the run
    - `width`: factor of the number of channels and hidden units, 1 or more

    A class with `**kwargs` receives all of them, but `width` only if it is not 1. `own`: additional
    keywords, which it must take. To be trained by several workers, a model with dropout uses
    `lenet.models.dropout.Dropout`.

    The global random state does not change.

    Raises: ConfigError if the class cannot be loaded or built, or does not take `dropout` or
    `width` although it is set.
    """
    model_class = load_object(registry.MODELS.get(name, name), "model")
    if isinstance(model_class, nn.Module):
        raise ConfigError(
            f"model={name} is an instance of {type(model_class).__name__}"
            f"{place_of(type(model_class))}: name its class, or a function that returns one"
        )
    offered = {
        "input_shape": input_shape,
        "classes": classes,
        "dropout": dropout,
        "generator": generator,
        "width": width,
    }
    if name in registry.IMAGE_MODELS and len(input_shape) != 3:
        others = ", ".join(sorted(set(registry.MODELS) - registry.IMAGE_MODELS - {"linear"}))
        raise ConfigError(
            f"model={name} takes images, and an input has shape {tuple(input_shape)} instead of "
            f"(channels, height, width): use one of {others}, or your own"
        )
    keywords = _select_keywords(name, model_class, offered, own or {})
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed)
        try:
            model = model_class(**keywords)
        except ConfigError:
            raise
        except (Exception, SystemExit) as error:  # the user's constructor may raise anything
            if _takes(model_class, keywords):
                raise ConfigError(
                    f"model={name} cannot be built{describe_keywords('model', own or {})}: its "
                    f"constructor raises {describe_failure(error)}"
                ) from error
            own_names = [f"model.{keyword}" for keyword in own or {}]
            raise ConfigError(
                f"model={name}{place_of(model_class)} cannot be built: {error}; its keywords may "
                f"be {', '.join([*offered, *own_names])}, or set as model.NAME"
            ) from error
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"model={name}{place_of(model_class)} is not a torch.nn.Module: name a subclass of it, "
            "or a function that returns one"
        )
    if not any(True for _ in model.parameters()):
        raise ConfigError(f"model={name} has no parameters to train: give it layers")
    return model


def _takes(model_class: Callable[..., Any], keywords: Mapping[str, Any]) -> bool:
    """Return True if the class has these keywords and requires no others."""
    try:
        inspect.signature(model_class).bind(**keywords)
    except TypeError:
        return False
    return True


def _select_keywords(
    name: str,
    model_class: Callable[..., Any],
    offered: Mapping[str, Any],
    own: Mapping[str, Any],
) -> dict[str, Any]:
    """Return those of the `offered` keywords that the class takes, and the user's `own`."""
    try:
        parameters = inspect.signature(model_class).parameters
    except (TypeError, ValueError) as error:  # not callable, or a built-in without a signature
        raise ConfigError(
            f"model={name} is not a torch.nn.Module: name a subclass of it"
        ) from error
    # A width of 1 is no request, and the class behind **kwargs may not know the keyword.
    optional = {"width"} if offered["width"] == TrainConfig.width else set()
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    # A subclass without a constructor inherits the one of `nn.Module`, which takes no keyword.
    takes_all &= getattr(model_class, "__init__", None) is not nn.Module.__init__
    taken = [k for k in offered if k in parameters or (takes_all and k not in optional)]
    for setting, default in (("dropout", TrainConfig.dropout), ("width", TrainConfig.width)):
        if setting not in taken and offered[setting] != default:
            raise ConfigError(
                f"model={name} takes no {setting} (its keywords: {', '.join(taken) or 'none'}): "
                f"set {setting}={default:g}, or use a model that takes it, such as lenet"
            )
    for keyword in own:
        if keyword not in parameters and not takes_all:
            raise unknown_keyword("model", keyword, name, model_class, parameters)
    return {keyword: offered[keyword] for keyword in taken} | dict(own)
