"""What is trained: configs, models, data sets, optimizers and the one training loop.

Importing this package is cheap. Only the modules that compute (`lenet.training`, `lenet.datasets`,
...) import torch, so a finished study can be read on a machine without torch.
"""

from lenet.config import ConfigError, TrainConfig

__all__ = ["ConfigError", "TrainConfig"]
