"""Optimizers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.loading import load_object


def build_optimizer(
    config: TrainConfig, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    """Build the optimizer of `config` for `parameters`, at the initial learning rate.

    Raises: ConfigError for a value that only this optimizer rejects.
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
        # One kernel for all parameters: in a net this small, kernel launches dominate.
        keywords["fused"] = True
    try:
        optimizer: torch.optim.Optimizer = load_object(spec.target)(
            parameters, lr=config.lr, **keywords
        )
    except ValueError as error:
        raise ConfigError(f"optimizer={config.optimizer} rejects its settings: {error}") from error
    return optimizer
