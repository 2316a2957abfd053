"""A trained model in a file: its weights, and the config that they were trained with."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import nn

from lenet.config import ConfigError, TrainConfig
from lenet.models import build_model
from lenet.training import Run


def as_bytes(run: Run) -> bytes:
    """Serialize the model of `run` as a file that `load` reads.

    The file is a dict that `torch.load(..., weights_only=True)` returns: `weights` (the model's
    `state_dict`), `config` (settings by name), `input_shape` and `classes`.
    """
    buffer = io.BytesIO()
    torch.save(
        {
            "weights": run.model.state_dict(),
            "config": run.config.to_dict(),
            "input_shape": run.input_shape,
            "classes": run.classes,
        },
        buffer,
    )
    return buffer.getvalue()


def load(path: str | Path) -> tuple[nn.Module, TrainConfig]:
    """Read a trained model and its config, on the CPU and ready to evaluate.

    Raises: ConfigError if the file is no trained model, or its class cannot be built.
    """
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        config = TrainConfig.from_dict(saved["config"])
        weights, input_shape, classes = (saved[k] for k in ("weights", "input_shape", "classes"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): name a model.pt") from error
    except Exception as error:  # a damaged file can raise anything
        raise ConfigError(
            f"{path} is no trained model ({type(error).__name__}): name the model.pt of a trial"
        ) from error
    model = build_model(
        config.model,
        input_shape=input_shape,
        classes=classes,
        dropout=config.dropout,
        width=config.width,
        seed=0,  # these initial weights are replaced
        generator=torch.Generator(),
        own=config.keywords_of("model"),
    )
    model.load_state_dict(weights)
    return model.eval(), config
