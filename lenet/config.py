"""TrainConfig: all that determines one training run."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lenet import registry


class ConfigError(ValueError):
    """A setting that cannot be; the message is one line and says what to use instead."""


def nearest(word: str, known: Iterable[str], what: str) -> str:
    """One line for an unknown name: the nearest known one, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {word!r}: {hint}known are {', '.join(names)}"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run, complete: the same config gives the same records on the same
    kind of device with the same versions, whatever runs beside it.

    Fields that are None take the default of the optimizer or schedule named
    (`lenet.registry`); a field set for one that does not know it is refused.
    Raises `ConfigError` on any value out of its range.
    """

    dataset: str = "mnist"
    """data set, by name"""
    train_samples: int | None = None
    """train on at most this many samples, taken before the run's seed matters; None: all"""
    validation_fraction: float = 1 / 12
    """share of the training set held out for validation (1/12: 5,000 of MNIST's 60,000);
    0: none, and no validation numbers in the records"""
    model: str = "lenet"
    """architecture, by name, or a class of your own as package.module:Class"""
    width: int = 1
    """how many times as many channels and hidden units the model has, where it can be scaled"""
    loss: str = "cross-entropy"
    """what training lessens: cross-entropy of logits, mse between outputs and one-hot classes,
    or the sum of squares of a regression"""
    dropout: float = 0.0
    """probability of zeroing a unit before the last layer(s), in [0, 1)"""
    optimizer: str = "adam"
    """update rule, by name"""
    lr: float = 1e-3
    """initial learning rate"""
    momentum: float | None = None
    """momentum, in [0, 1)"""
    beta1: float | None = None
    """decay of the first moment, in [0, 1)"""
    beta2: float | None = None
    """decay of the second moment, in [0, 1)"""
    rho: float | None = None
    """decay of the squared-gradient average (RMSProp, Adadelta), in [0, 1)"""
    eps: float | None = None
    """the term that keeps a division from being by zero"""
    initial_accumulator: float | None = None
    """what the sum of squared gradients starts from (Adagrad, Proximal Adagrad, FTRL)"""
    l1: float | None = None
    """L1 penalty of FTRL and the proximal optimizers"""
    l2: float | None = None
    """L2 penalty of FTRL and the proximal optimizers"""
    weight_decay: float | None = None
    """L2 penalty (decoupled in AdamW)"""
    schedule: str = "constant"
    """how the learning rate moves over the run"""
    gamma: float | None = None
    """factor of one decay of the schedule"""
    milestones: tuple[int, ...] | None = None
    """epochs after which the multistep schedule decays"""
    final_lr: float | None = None
    """learning rate of a ramp's last step"""
    batch_size: int = 128
    """samples in one step, over all workers"""
    shuffle: bool = True
    """draw a new order every epoch; False: always the same order"""
    epochs: int = 10
    """passes over the training samples"""
    steps: int | None = None
    """stop after this many steps instead of after `epochs`"""
    record_every: int | None = None
    """a record every so many steps; None: one at the end of every epoch"""
    evaluate_at: tuple[int, ...] | None = None
    """evaluate held-out data at a record of these steps and of the last one; None: at all"""
    blow_up: float | None = None
    """end the run once its training loss, smoothed, is over this many times the lowest it was;
    None: only where it is no longer finite"""
    test_at_end: bool = True
    """evaluate the test set at the last record; False: never, so that nothing is chosen by it"""
    test_curve: bool = False
    """evaluate the test set wherever validation is; False: at the last record only"""
    seed: int = 0
    """seed of the initial weights, the order of the samples and dropout"""

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            value = getattr(self, spec.name)
            object.__setattr__(self, spec.name, coerce(spec.name, value))
        self._check_names()
        self._check_ranges()
        self._check_extras(
            "optimizer", self.optimizer, registry.OPTIMIZERS[self.optimizer].settings
        )
        self._check_extras("schedule", self.schedule, registry.SCHEDULES[self.schedule])
        self._check_kind()

    def _check_names(self) -> None:
        for what, known in (
            ("dataset", registry.DATASETS),
            ("optimizer", registry.OPTIMIZERS),
            ("schedule", registry.SCHEDULES),
            ("model", registry.MODELS),
            ("loss", registry.LOSSES),
        ):
            name = getattr(self, what)
            if name not in known and not (what == "model" and ":" in name):
                raise ConfigError(nearest(name, known, what))

    def _check_ranges(self) -> None:
        for name, (accepts, expected) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not accepts(value):
                raise ConfigError(f"{name}={value:g} is out of range: {name} must be {expected}")
        if self.schedule == "multistep" and not self.milestones:
            raise ConfigError(
                "schedule=multistep decays after given epochs: set milestones too, "
                "e.g. --set milestones=5+8"
            )
        if self.width > 1 and self.model in set(registry.MODELS) - registry.SCALABLE:
            raise ConfigError(
                f"model={self.model} has one width: leave width out, or use "
                f"{' or '.join(sorted(registry.SCALABLE))}"
            )
        for name in ("milestones", "evaluate_at"):
            several = getattr(self, name)
            if several and (list(several) != sorted(set(several)) or several[0] < 1):
                listed = "+".join(map(str, several))
                raise ConfigError(f"{name}={listed} cannot be: {name} must rise, from 1 or more")
        if self.test_curve and not self.test_at_end:
            raise ConfigError(
                "test_curve=True evaluates the test set and test_at_end=False forbids it: leave "
                "one of them out"
            )
        final_lr = self.final_lr or registry.SCHEDULES[self.schedule].get("final_lr")
        if isinstance(final_lr, float) and final_lr <= self.lr:
            raise ConfigError(
                f"schedule={self.schedule} rises from lr={self.lr:g} to final_lr={final_lr:g}: "
                "set lr below final_lr"
            )

    def _check_extras(self, what: str, name: str, taken: Iterable[str]) -> None:
        every: set[str] = set()
        table: Mapping[str, Any] = (
            registry.SCHEDULES
            if what == "schedule"
            else {k: v.settings for k, v in registry.OPTIMIZERS.items()}
        )
        for settings in table.values():
            every |= set(settings)
        for extra in sorted(every - set(taken)):
            if getattr(self, extra) is not None:
                fits = ", ".join(k for k, v in table.items() if extra in v)
                raise ConfigError(
                    f"{what}={name} takes no {extra}: leave it out, or use it with {fits}"
                )

    def _check_kind(self) -> None:
        """A regression's data, model and loss go together; any model of one's own may be one."""
        regression = self.dataset in registry.REGRESSIONS
        for what, known in (("model", registry.MODELS), ("loss", registry.LOSSES)):
            name = getattr(self, what)
            fits = [k for k in known if (k in registry.REGRESSIONS) == regression]
            if name in known and name not in fits:
                raise ConfigError(
                    f"{what}={name} cannot learn dataset={self.dataset}: use {what}="
                    f"{' or '.join(fits)}, or another data set"
                )

    def replace(self, **changes: Any) -> TrainConfig:
        """A copy with these settings changed; unknown names raise `ConfigError`."""
        return TrainConfig.from_dict(dataclasses.asdict(self) | changes)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> TrainConfig:
        """The config of these settings (the rest at their defaults)."""
        for name in settings:
            check_setting(name)
        return cls(**settings)

    def to_dict(self) -> dict[str, Any]:
        """Every setting by name, as JSON can hold it; `from_dict` reads it back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @property
    def id(self) -> str:
        """Twelve hex digits that two configs share only if every setting is equal."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


_positive = (lambda v: v > 0, "above 0")
_whole = (lambda v: v >= 1, "1 or more")
_not_negative = (lambda v: v >= 0, "0 or more")
_share = (lambda v: 0 <= v < 1, "at least 0 and below 1")
_RANGES: dict[str, tuple[typing.Callable[[Any], bool], str]] = {
    "train_samples": _whole,
    "validation_fraction": _share,
    "width": _whole,
    "dropout": _share,
    "lr": _positive,
    "momentum": _share,
    "beta1": _share,
    "beta2": _share,
    "rho": _share,
    "eps": _not_negative,
    "initial_accumulator": _not_negative,
    "l1": _not_negative,
    "l2": _not_negative,
    "weight_decay": _not_negative,
    "gamma": _positive,
    "final_lr": _positive,
    "batch_size": _whole,
    "epochs": _whole,
    "steps": _whole,
    "record_every": _whole,
    "blow_up": (lambda v: v > 1, "above 1"),
    "seed": _not_negative,
}

_HINTS = typing.get_type_hints(TrainConfig)
SETTINGS: tuple[str, ...] = tuple(f.name for f in dataclasses.fields(TrainConfig))


def check_setting(name: str) -> None:
    """Raise `ConfigError` unless `name` is a setting of a training run."""
    if name not in SETTINGS:
        also_called = {"learning_rate": "lr", "learningrate": "lr", "data_set": "dataset"}
        hint = also_called.get(name.replace("-", "_").lower())
        if hint:
            raise ConfigError(f"unknown setting {name!r}: it is called {hint} here")
        raise ConfigError(nearest(name, SETTINGS, "setting"))


def coerce(name: str, value: Any) -> Any:
    """`value` as the type of the setting `name`: numbers and text alike, so that a
    command line, a JSON file and a search space give equal configs.

    Text: `true`/`false` for switches, `5+8` for several numbers, `none` for None.
    Raises `ConfigError` where the value is of another kind, or not finite.
    """
    check_setting(name)
    hint = _HINTS[name]
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    optional = types.NoneType in options
    kind = next(option for option in options if option is not types.NoneType)
    if value is None or (optional and str(value).lower() == "none"):
        if optional:
            return None
        raise ConfigError(f"{name} needs a value, such as {name}={_example(name)}")
    try:
        if kind is bool:
            return _switch(value)
        if kind is int:
            return _integer(value)
        if kind is float:
            return _finite(value)
        if kind is str:
            return str(value)
        parts = value.split("+") if isinstance(value, str) else value
        return tuple(_integer(part) for part in parts)
    except (ValueError, TypeError):
        wanted = {bool: "true or false", int: "a whole number", float: "a finite number"}.get(
            kind, "whole numbers joined by +, such as 5+8"
        )
        raise ConfigError(f"{name}={value} cannot be: {name} must be {wanted}") from None


def _example(name: str) -> str:
    default = next(f.default for f in dataclasses.fields(TrainConfig) if f.name == name)
    return str(default)


def _switch(value: Any) -> bool:
    named = {"true": True, "false": False, "1": True, "0": False}
    try:
        return named[str(value).lower()]
    except KeyError:
        raise ValueError(value) from None


def _integer(value: Any) -> int:
    number = float(value)
    if isinstance(value, bool) or "_" in str(value) or number != int(number):
        raise ValueError(value)
    if abs(number) > 2**53:  # beyond, a float is not the number that was meant
        raise ValueError(value)
    return int(number)


def _finite(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(value)
    return number
