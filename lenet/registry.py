"""The names that a config may use, and the settings that each of them takes.

Plain data, without torch. The command line, the validation of `TrainConfig` and the builders in
`lenet.models`, `lenet.optimizers` and `lenet.schedules` all read it, so a name is declared once.

Wherever a name is taken, "package.module:object" names the user's own object (`is_own`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class OptimizerSpec:
    """How an optimizer is built."""

    target: str
    """path of its class, "module:Class" """
    settings: Mapping[str, tuple[str, object]]
    """the optional `TrainConfig` fields that it takes: (keyword of the class, default)"""
    fixed: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """constant keywords of the class"""
    fused: bool = False
    """whether torch has a fused kernel for it"""


_DECAY = {"weight_decay": ("weight_decay", 0.0)}
_BETAS = {"beta1": ("beta1", 0.9), "beta2": ("beta2", 0.999), "eps": ("eps", 1e-8)}
_MOMENTUM = {"momentum": ("momentum", 0.9)}
_PENALTIES = {"l1": ("l1", 0.0), "l2": ("l2", 0.0)}
# For rules without a fused kernel: one call for all parameters, the same records, and up to 1.2x as
# fast in a net of several layers. torch's own choice on a CPU is a loop over the parameters.
_FOREACH = {"foreach": True}
_TF1_START = {"initial_accumulator": ("initial_accumulator_value", 0.1)}

# The defaults are torch.optim's. A study that follows another framework sets its defaults.
OPTIMIZERS: Mapping[str, OptimizerSpec] = MappingProxyType(
    {
        "sgd": OptimizerSpec("torch.optim:SGD", _DECAY, fused=True),
        "momentum": OptimizerSpec("torch.optim:SGD", _MOMENTUM | _DECAY, fused=True),
        "nesterov": OptimizerSpec(
            "torch.optim:SGD", _MOMENTUM | _DECAY, {"nesterov": True}, fused=True
        ),
        "adam": OptimizerSpec("torch.optim:Adam", _BETAS | _DECAY, fused=True),
        "adamw": OptimizerSpec(
            "torch.optim:AdamW", _BETAS | {"weight_decay": ("weight_decay", 0.01)}, fused=True
        ),
        "adagrad": OptimizerSpec(
            "torch.optim:Adagrad",
            _DECAY
            | {
                "eps": ("eps", 1e-10),
                "initial_accumulator": ("initial_accumulator_value", 0.0),
            },
            fused=True,
        ),
        "adadelta": OptimizerSpec(
            "torch.optim:Adadelta", _DECAY | {"rho": ("rho", 0.9), "eps": ("eps", 1e-6)}, _FOREACH
        ),
        "rmsprop": OptimizerSpec(
            "torch.optim:RMSprop",
            _DECAY
            | {
                "rho": ("alpha", 0.99),
                "eps": ("eps", 1e-8),
                "momentum": ("momentum", 0.0),
            },
            _FOREACH,
        ),
        # TensorFlow 1's, with its defaults. Its gradient descent and momentum are torch's SGD. Its
        # Adagrad and Adadelta are torch's with other constants. The other rules are its own.
        "tf1-adam": OptimizerSpec("lenet.optimizers.tf1_adam:TF1Adam", _BETAS),
        "tf1-rmsprop": OptimizerSpec(
            "lenet.optimizers.tf1_rmsprop:TF1RMSProp",
            {"rho": ("rho", 0.9), "eps": ("eps", 1e-10), "momentum": ("momentum", 0.0)},
        ),
        "tf1-adagrad": OptimizerSpec("torch.optim:Adagrad", _TF1_START, {"eps": 0.0}, fused=True),
        "tf1-adadelta": OptimizerSpec(
            "torch.optim:Adadelta", {"rho": ("rho", 0.95), "eps": ("eps", 1e-8)}, _FOREACH
        ),
        "ftrl": OptimizerSpec("lenet.optimizers.ftrl:Ftrl", _PENALTIES | _TF1_START),
        "proximal-adagrad": OptimizerSpec(
            "lenet.optimizers.proximal_adagrad:ProximalAdagrad", _PENALTIES | _TF1_START
        ),
        "proximal-gd": OptimizerSpec("lenet.optimizers.proximal_gd:ProximalGD", _PENALTIES),
    }
)

# The optional `TrainConfig` fields that each schedule takes, with their defaults.
SCHEDULES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "constant": {},
        "exponential": {"gamma": 0.95, "decay_steps": None},
        "multistep": {"gamma": 0.1, "milestones": ()},
        "cosine": {"warmup": 0.0, "final_lr": 0.0},
        "one-cycle": {"warmup": 0.3},
        # The ramps of a learning-rate range test.
        "ramp-exponential": {"final_lr": 1.0},
        "ramp-linear": {"final_lr": 1.0},
        "ramp-multistep": {"gamma": 1.5},
        "ramp-multistep-epoch": {"gamma": 1.5},
    }
)

# The path of each model's class. A config may also name the user's own "package.module:Class".
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
"""The models that take `width`.

Their constructors declare it, too. It is repeated here because `TrainConfig` refuses a width before
torch is imported, and importing a model's class imports torch.
"""

IMAGE_MODELS = frozenset({"lenet", "lenet5-tanh", "deep-mnist"})
"""The models that take images only: inputs of shape (channels, height, width)."""

# The path of each loss.
LOSSES: Mapping[str, str] = MappingProxyType(
    {
        "cross-entropy": "lenet.losses:CROSS_ENTROPY",
        "mse": "lenet.losses:MEAN_SQUARED_ERROR",
        "sum-of-squares": "lenet.losses:SUM_OF_SQUARES",
    }
)

PRECISIONS = ("fp32", "bf16")
"""Number formats of a training step's products; weights and evaluation are always float32."""

# A short description of each data set.
DATASETS: Mapping[str, str] = MappingProxyType(
    {
        "mnist": "MNIST, 60,000 + 10,000 handwritten digits",
        "fashion-mnist": "Fashion-MNIST, 60,000 + 10,000 pieces of clothing",
        "kmnist": "Kuzushiji-MNIST, 60,000 + 10,000 cursive Japanese characters",
        "digits": "UCI digits, 1,500 + 297 handwritten digits (8x8, scaled up to 28x28)",
        "line": "four points on the line y = 1 - x, the data of TensorFlow 1's first tutorial",
    }
)

OWN_DATA = "own data"
"""The data set name in a config whose `Run` got data under an unlisted name from its caller."""

TRAINING_SAMPLES: Mapping[str, int] = MappingProxyType(
    {"mnist": 60_000, "fashion-mnist": 60_000, "kmnist": 60_000, "digits": 1_500, "line": 4}
)
"""Samples of each data set outside its test set."""

KNOWN: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "dataset": DATASETS,
        "optimizer": OPTIMIZERS,
        "schedule": SCHEDULES,
        "model": MODELS,
        "loss": LOSSES,
    }
)
"""The settings that name an object, each with its built-in names."""

OWN_PARTS = ("model", "loss", "optimizer", "schedule")
"""The settings whose objects, if the user's own, take keywords, such as `optimizer.k`."""


def is_own(name: str) -> bool:
    """Return True if `name` is the path of the user's own object, "package.module:object"."""
    return ":" in name


REGRESSIONS = frozenset({"line", "linear", "sum-of-squares"})
"""The data sets, models and losses of regressions, which only work with each other."""
