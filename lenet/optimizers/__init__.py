"""Optimizers, built by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.loading import load_class


def build_optimizer(
    config: TrainConfig, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimizer of `config` over `parameters`, at its initial learning rate.

    Raises `ConfigError` for a value that this optimizer alone does not take.
    """
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
        # One kernel for all parameters: on a net this small, launching is the cost.
        keywords["fused"] = True
    try:
        optimizer: torch.optim.Optimizer = load_class(spec.target)(
            parameters, lr=config.lr, **keywords
        )
    except ValueError as error:
        raise ConfigError(f"optimizer={config.optimizer} refuses its settings: {error}") from error
    return optimizer
