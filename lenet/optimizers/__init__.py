"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.loading import (
    describe_failure,
    describe_keywords,
    load_object,
    load_own,
    own_keywords,
    place_of,
)


def build_optimizer(
    config: TrainConfig, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """Build the optimizer of `config` for `parameters`, at the initial learning rate.

    Your own optimizer is a subclass of `torch.optim.Optimizer` whose constructor takes `lr`.
    Settings that are set, such as `weight_decay`, are passed by their names, and `beta1` and
    `beta2` as `betas`.

    Raises: ConfigError for a value that only this optimizer rejects, or if yours cannot be built.
    """
    if registry.is_own(config.optimizer):
        return _build_own(config, parameters)
    spec = registry.OPTIMIZERS[config.optimizer]
    keywords = dict(spec.fixed)
    betas: dict[str, object] = {}
    for name, (keyword, default) in spec.settings.items():
        value = getattr(config, name)
        (betas if name.startswith("beta") else keywords)[keyword] = (
            default if value is None else value
        )
    if betas:
        keywords["betas"] = (betas["beta1"], betas["beta2"])
    if spec.fused:
        # One kernel for all parameters: in a net this small, kernel launches dominate.
        keywords["fused"] = True
    try:
        optimizer: torch.optim.Optimizer = load_object(spec.target)(
            parameters, lr=config.lr, **keywords
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(f"optimizer={config.optimizer} rejects its settings: {error}") from error
    return optimizer


_SHARED = sorted({name for spec in registry.OPTIMIZERS.values() for name in spec.settings})
"""The settings that optimizers share."""


def _build_own(
    config: TrainConfig, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    optimizer_class = load_own(config, "optimizer")
    name = f"optimizer={config.optimizer}{place_of(optimizer_class)}"
    is_optimizer = isinstance(optimizer_class, type) and issubclass(
        optimizer_class, torch.optim.Optimizer
    )
    if not is_optimizer:
        raise ConfigError(f"{name} is not a subclass of torch.optim.Optimizer: name one")
    given = {k: getattr(config, k) for k in _SHARED if getattr(config, k) is not None}
    betas = [given.pop(name) for name in ("beta1", "beta2") if name in given]
    if betas:
        if len(betas) < 2:
            raise ConfigError(f"{name} gets betas as a pair: set both beta1 and beta2")
        given["betas"] = tuple(betas)
    keywords = own_keywords(config, "optimizer", optimizer_class, {"lr": config.lr, **given})
    if missing := [setting for setting in ("lr", *given) if setting not in keywords]:
        raise ConfigError(
            f"{name} takes no {missing[0]}: "
            + (
                "its constructor must take the learning rate as lr"
                if missing[0] == "lr"
                else f"leave {missing[0]} out, or let its constructor take it"
            )
        )
    try:
        optimizer: torch.optim.Optimizer = optimizer_class(parameters, **keywords)
    except Exception as error:  # the user's constructor may raise anything
        own = describe_keywords("optimizer", config.keywords_of("optimizer"))
        raise ConfigError(f"{name} cannot be built{own}: {describe_failure(error)}") from error
    return optimizer
