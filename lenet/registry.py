"""Names that a config may use, and which settings go with each.

Plain data, no torch: the command line, the validation of a `TrainConfig` and the
builders in `lenet.models`, `lenet.optimizers` and `lenet.schedules` all read it, so a
name is declared once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Optimizer:
    """An optimizer by name.

    `target` is where its class lives ("module:Class"). `settings` maps each optional
    `TrainConfig` field that it accepts to its keyword in the class and to the value used
    when the config leaves the field at None. `fixed` are keywords that make it what it is.
    """

    target: str
    settings: Mapping[str, tuple[str, object]]
    fixed: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    fused: bool = False


_DECAY = {"weight_decay": ("weight_decay", 0.0)}
_BETAS = {"beta1": ("beta1", 0.9), "beta2": ("beta2", 0.999), "eps": ("eps", 1e-8)}
_MOMENTUM = {"momentum": ("momentum", 0.9)}
_PENALTIES = {"l1": ("l1", 0.0), "l2": ("l2", 0.0)}
_TF1_START = {"initial_accumulator": ("initial_accumulator_value", 0.1)}

# The defaults are torch.optim's; a study that follows another framework says so in its
# own settings.
OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType(
    {
        "sgd": Optimizer("torch.optim:SGD", _DECAY, fused=True),
        "momentum": Optimizer("torch.optim:SGD", _MOMENTUM | _DECAY, fused=True),
        "nesterov": Optimizer(
            "torch.optim:SGD", _MOMENTUM | _DECAY, {"nesterov": True}, fused=True
        ),
        "adam": Optimizer("torch.optim:Adam", _BETAS | _DECAY, fused=True),
        "adamw": Optimizer(
            "torch.optim:AdamW", _BETAS | {"weight_decay": ("weight_decay", 0.01)}, fused=True
        ),
        "adagrad": Optimizer(
            "torch.optim:Adagrad",
            _DECAY
            | {
                "eps": ("eps", 1e-10),
                "initial_accumulator": ("initial_accumulator_value", 0.0),
            },
            fused=True,
        ),
        "adadelta": Optimizer(
            "torch.optim:Adadelta", _DECAY | {"rho": ("rho", 0.9), "eps": ("eps", 1e-6)}
        ),
        "rmsprop": Optimizer(
            "torch.optim:RMSprop",
            _DECAY
            | {
                "rho": ("alpha", 0.99),
                "eps": ("eps", 1e-8),
                "momentum": ("momentum", 0.0),
            },
        ),
        # TensorFlow 1's three without a counterpart in torch.optim.
        "ftrl": Optimizer("lenet.optimizers.ftrl:Ftrl", _PENALTIES | _TF1_START),
        "proximal-adagrad": Optimizer(
            "lenet.optimizers.proximal_adagrad:ProximalAdagrad", _PENALTIES | _TF1_START
        ),
        "proximal-gd": Optimizer("lenet.optimizers.proximal_gd:ProximalGD", _PENALTIES),
    }
)

# Each schedule with the optional fields it takes and their defaults.
SCHEDULES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "constant": {},
        "exponential": {"gamma": 0.95},
        "multistep": {"gamma": 0.1, "milestones": ()},
        # The ramps of a learning-rate range test.
        "ramp-exponential": {"final_lr": 1.0},
        "ramp-linear": {"final_lr": 1.0},
        "ramp-multistep": {"gamma": 1.5},
    }
)

# Each model and where its class lives. A config may also name a class of the user's own
# as "package.module:Class".
MODELS: Mapping[str, str] = MappingProxyType(
    {
        "lenet": "lenet.models.lenet:LeNet",
        "lenet5-tanh": "lenet.models.lenet5_tanh:LeNet5Tanh",
        "deep-mnist": "lenet.models.deep_mnist:DeepMnist",
        "4ls": "lenet.models.mlp:FourLayerSigmoid",
        "3ls": "lenet.models.mlp:ThreeLayerSigmoid",
        "2lr": "lenet.models.mlp:TwoLayerRelu",
        "softmax": "lenet.models.softmax_regression:SoftmaxRegression",
        "linear": "lenet.models.linear_regression:LinearRegression",
    }
)

SCALABLE = frozenset({"lenet", "deep-mnist"})
"""The models that take a `width`."""

# Each loss and where it lives.
LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "cross-entropy": "lenet.losses:CROSS_ENTROPY",
        "mse": "lenet.losses:MEAN_SQUARED_ERROR",
        "sum-of-squares": "lenet.losses:SUM_OF_SQUARES",
    }
)

# Each data set and, in a few words, what it is.
DATASETS: Mapping[str, str] = MappingProxyType(
    {
        "mnist": "MNIST, 60,000 + 10,000 handwritten digits",
        "fashion-mnist": "Fashion-MNIST, 60,000 + 10,000 pieces of clothing",
        "kmnist": "Kuzushiji-MNIST, 60,000 + 10,000 cursive Japanese characters",
        "digits": "UCI digits, 1,500 + 297 handwritten digits (8x8, scaled up to 28x28)",
        "line": "four points on the line y = 1 - x, the data of TensorFlow 1's first tutorial",
    }
)

REGRESSIONS = frozenset({"line", "linear", "sum-of-squares"})
"""The data sets, models and losses of regressions, which go with each other only."""
