"""What is trained: configs, models, data sets, optimizers and the one training loop.

Importing this package stays cheap: torch is loaded by the modules that compute
(`lenet.training`, `lenet.datasets`, ...), not here, so that a finished study can be
read and reported on a machine without torch.
"""

from lenet.config import ConfigError, TrainConfig

__all__ = ["ConfigError", "TrainConfig"]
