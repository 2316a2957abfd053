"""TrainConfig: everything that determines one training run."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lenet import registry
from lenet.config_id import config_id
from lenet.values import boolean, finite, integer, literal


class ConfigError(ValueError):
    """An invalid setting. The message is one line and says what to use instead."""


def unknown_name(name: str, known: Iterable[str], what: str) -> str:
    """Return a one-line message for an unknown `name` of a `what`, with the closest known one."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {what} {name!r}: {hint}choose from {', '.join(names)}"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one training run.

    The same config gives the same records on the same kind of device with the same versions,
    whatever runs beside it.

    A field that is None takes the default of the optimizer or schedule (`lenet.registry`). Setting
    a field that the optimizer or schedule does not take is an error.

    Data set, model, loss, optimizer and schedule may also be your own, as "package.module:object".
    The keywords that yours take are settings, too, such as `optimizer.k` (see `own`).

    Raises: ConfigError if a value is out of range or does not fit the other settings.
    """

    dataset: str = "mnist"
    """data set, by name; `own data` if the caller gave a `Run` its data"""
    train_samples: int | None = None
    """maximum number of training samples, the same ones for every seed; None: all"""
    validation_fraction: float = 1 / 12
    """fraction of the training set held out for validation (1/12: 5,000 of MNIST's 60,000);
    0: no validation"""
    model: str = "lenet"
    """architecture, by name"""
    width: int = 1
    """factor of the number of channels and hidden units, for models that take it"""
    loss: str = "cross-entropy"
    """training loss: `cross-entropy` (on logits), `mse` (between outputs and one-hot classes, or
    the values of your own regression), or `sum-of-squares` (regressions)"""
    precision: str = "fp32"
    """number format of a training step's products: `fp32`, or `bf16` by autocast, with weights,
    updates and evaluation in float32"""
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
    """constant in the denominator that prevents division by zero"""
    initial_accumulator: float | None = None
    """initial sum of squared gradients (Adagrad, Proximal Adagrad, FTRL)"""
    l1: float | None = None
    """L1 penalty of FTRL and the proximal optimizers"""
    l2: float | None = None
    """L2 penalty of FTRL and the proximal optimizers"""
    weight_decay: float | None = None
    """L2 penalty (decoupled in AdamW)"""
    clip_norm: float | None = None
    """largest norm of the gradients of all weights together, to which they are scaled down; None:
    no limit"""
    schedule: str = "constant"
    """learning-rate schedule, by name"""
    gamma: float | None = None
    """factor of one decay of the schedule"""
    decay_steps: int | None = None
    """steps between two decays of the exponential schedule; None: one epoch"""
    milestones: tuple[int, ...] | None = None
    """epochs after which the multistep schedule decays"""
    final_lr: float | None = None
    """learning rate of a ramp's last step, or after the last step of `cosine`"""
    warmup: float | None = None
    """share of all steps in which `cosine` and `one-cycle` raise the learning rate, in [0, 1)"""
    batch_size: int = 128
    """samples per step, over all workers"""
    shuffle: bool = True
    """draw a new sample order every epoch; False: the same order every epoch; no effect on full
    batches"""
    epochs: int | None = 10
    """passes over the training samples, unless `steps` ends the run first; None: no limit"""
    steps: int | None = None
    """steps, unless `epochs` ends the run first; None: no limit"""
    record_every: int | None = None
    """steps between records; None: one record at the end of every epoch"""
    evaluate_at: tuple[int, ...] | None = None
    """steps whose record evaluates held-out data, besides the last one; None: every record"""
    blow_up: float | None = None
    """stop once the smoothed training loss exceeds its minimum so far by this factor; None: stop
    only once the loss is not finite"""
    test_at_end: bool = True
    """evaluate the test set at the last record; False: never, so that no choice can depend on it"""
    test_curve: bool = False
    """evaluate the test set whenever validation is; False: at the last record only"""
    seed: int = 0
    """seed of the initial weights, the sample order and dropout"""
    metrics: tuple[str, ...] | None = None
    """your own metrics of held-out data, each NAME:max=package.module:function (or NAME:min)"""
    own: tuple[tuple[str, Any], ...] = ()
    """(name, value) of the keywords of your own model, loss, optimizer and schedule, such as
    ("optimizer.k", 5). `from_dict`, `to_dict`, `get` and the command line know them by name"""

    def __post_init__(self) -> None:
        for name in SETTINGS:
            object.__setattr__(self, name, coerce(name, getattr(self, name)))
        own = {name: coerce(name, value) for name, value in self.own}
        given = sorted((name, value) for name, value in own.items() if value is not None)
        object.__setattr__(self, "own", tuple(given))
        self._check_names()
        self._check_ranges()
        self._check_combinations()
        optimizers = {name: spec.settings for name, spec in registry.OPTIMIZERS.items()}
        self._check_settings_of("optimizer", optimizers)
        self._check_settings_of("schedule", registry.SCHEDULES)
        self._check_regression()
        self._check_own()

    def _check_names(self) -> None:
        for what, known in registry.KNOWN.items():
            name = getattr(self, what)
            if name not in known and not registry.is_own(name) and name != registry.OWN_DATA:
                module, dot, attribute = name.rpartition(".")
                if dot and module:
                    raise ConfigError(
                        f"unknown {what} {name!r}: for one of your own, type "
                        f"{what}={module}:{attribute}"
                    )
                raise ConfigError(unknown_name(name, known, what))
        if self.precision not in registry.PRECISIONS:
            raise ConfigError(unknown_name(self.precision, registry.PRECISIONS, "precision"))

    def _check_own(self) -> None:
        for name, _ in self.own:
            part, _, keyword = name.partition(".")
            if not registry.is_own(used := getattr(self, part)):
                raise ConfigError(
                    f"{name} is a keyword of your own {part}, and {part}={used} is not: type "
                    f"{keyword} if that is what you mean, or {part}=package.module:object"
                )
        names = [parse_metric(metric)[0] for metric in self.metrics or ()]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"metrics has {name} twice: rename one")

    def _check_ranges(self) -> None:
        for name, (accepts, expected) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not accepts(value):
                raise ConfigError(f"{name}={value:g} is out of range: {name} must be {expected}")
        for name in ("milestones", "evaluate_at"):
            numbers = getattr(self, name)
            if numbers and (list(numbers) != sorted(set(numbers)) or numbers[0] < 1):
                listed = "+".join(map(str, numbers))
                raise ConfigError(
                    f"{name}={listed} is invalid: {name} must increase, starting from 1 or more"
                )

    def _check_combinations(self) -> None:
        if self.epochs is None and self.steps is None:
            raise ConfigError(
                "epochs=None and steps=None give a run no end: set one of them, "
                "e.g. --set epochs=10"
            )
        if self.schedule == "multistep" and not self.milestones:
            raise ConfigError(
                "schedule=multistep decays after given epochs: set milestones too, "
                "e.g. --set milestones=5+8"
            )
        if self.width > 1 and self.model in set(registry.MODELS) - registry.SCALABLE:
            raise ConfigError(
                f"model={self.model} takes no width: leave it out, or use "
                f"{' or '.join(sorted(registry.SCALABLE))}"
            )
        if self.test_curve and not self.test_at_end:
            raise ConfigError(
                "test_curve=True evaluates the test set and test_at_end=False forbids it: leave "
                "one of them out"
            )
        final_lr = self.final_lr or registry.SCHEDULES.get(self.schedule, {}).get("final_lr")
        is_ramp = self.schedule.startswith("ramp")
        if is_ramp and isinstance(final_lr, float) and final_lr <= self.lr:
            raise ConfigError(
                f"schedule={self.schedule} rises from lr={self.lr:g} to final_lr={final_lr:g}: "
                "set lr below final_lr"
            )

    def _check_settings_of(self, what: str, takes: Mapping[str, Collection[str]]) -> None:
        """Reject a setting that only other optimizers (or schedules) take."""
        name = getattr(self, what)
        if registry.is_own(name):  # its signature tells, see `lenet.loading.build_own`
            return
        for setting in sorted(set[str]().union(*takes.values()) - set(takes[name])):
            if getattr(self, setting) is not None:
                fits = ", ".join(other for other, settings in takes.items() if setting in settings)
                raise ConfigError(
                    f"{what}={name} takes no {setting}: leave it out, or use it with {fits}"
                )

    def _check_regression(self) -> None:
        """Refuse a regression's data with a classifier's model or loss, and the other way round.

        The user's own model or data may be of either kind.
        """
        if self.dataset == registry.OWN_DATA or registry.is_own(self.dataset):
            return
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
        """Return a copy with `changes`. Raises `ConfigError` for an unknown or invalid setting."""
        return TrainConfig.from_dict(self.to_dict() | changes)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> TrainConfig:
        """Create a config from `settings`. Raises `ConfigError` for an unknown or invalid one."""
        for name in settings:
            check_setting(name)
        own = tuple((name, value) for name, value in settings.items() if "." in name)
        return cls(**{k: v for k, v in settings.items() if "." not in k}, own=own)

    def get(self, name: str) -> Any:
        """Return the setting `name`; None for a keyword of the user's code that is not set."""
        return dict(self.own).get(name) if "." in name else getattr(self, name)

    def keywords_of(self, part: str) -> dict[str, Any]:
        """Return the keywords of the user's own `part`: {"k": 5} if `optimizer.k` is 5."""
        named = ((name.partition("."), value) for name, value in self.own)
        return {keyword: value for (of, _, keyword), value in named if of == part}

    def to_dict(self) -> dict[str, Any]:
        """Return every setting by name, ready for JSON; `from_dict` reads it back."""
        settings = {name: getattr(self, name) for name in SETTINGS} | dict(self.own)
        return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}

    @property
    def names_own_code(self) -> bool:
        """Whether a setting is the path of the user's own object, package.module:name."""
        paths = (getattr(self, name) for name in registry.KNOWN)
        return bool(self.metrics) or any(map(registry.is_own, paths))

    @property
    def id(self) -> str:
        """Twelve hex digits, a hash of the settings. Complete trials are found by it."""
        return config_id(self.to_dict(), _DEFAULTS)


_POSITIVE = (lambda v: v > 0, "above 0")
_POSITIVE_INTEGER = (lambda v: v >= 1, "1 or more")
_NON_NEGATIVE = (lambda v: v >= 0, "0 or more")
_FRACTION = (lambda v: 0 <= v < 1, "at least 0 and below 1")
_RANGES: dict[str, tuple[typing.Callable[[Any], bool], str]] = {
    "train_samples": _POSITIVE_INTEGER,
    "validation_fraction": _FRACTION,
    "width": _POSITIVE_INTEGER,
    "dropout": _FRACTION,
    "lr": _POSITIVE,
    "momentum": _FRACTION,
    "beta1": _FRACTION,
    "beta2": _FRACTION,
    "rho": _FRACTION,
    "eps": _NON_NEGATIVE,
    "initial_accumulator": _NON_NEGATIVE,
    "l1": _NON_NEGATIVE,
    "l2": _NON_NEGATIVE,
    "weight_decay": _NON_NEGATIVE,
    "clip_norm": _POSITIVE,
    "gamma": _POSITIVE,
    "decay_steps": _POSITIVE_INTEGER,
    "final_lr": _POSITIVE,
    "warmup": _FRACTION,
    "batch_size": _POSITIVE_INTEGER,
    "epochs": _POSITIVE_INTEGER,
    "steps": _POSITIVE_INTEGER,
    "record_every": _POSITIVE_INTEGER,
    "blow_up": (lambda v: v > 1, "above 1"),
    "seed": _NON_NEGATIVE,
}

_DEFAULTS = {f.name: f.default for f in dataclasses.fields(TrainConfig) if f.name != "own"}
_TYPES = typing.get_type_hints(TrainConfig)
SETTINGS: tuple[str, ...] = tuple(_DEFAULTS)
"""The names of all settings, in the order of the fields."""


def settings_in(columns: Iterable[object]) -> list[str]:
    """Return the names of settings among `columns`, the user's own keywords last."""
    names = [str(column) for column in columns]
    known = [name for name in SETTINGS if name in names]
    return known + [n for n in names if n.partition(".")[0] in registry.OWN_PARTS and "." in n]


def check_setting(name: str) -> None:
    """Raise `ConfigError` unless `name` is a setting of `TrainConfig`."""
    part, dot, keyword = name.partition(".")
    if dot and (part not in registry.OWN_PARTS or not keyword.isidentifier()):
        examples = ", ".join(f"{own}.NAME" for own in registry.OWN_PARTS)
        raise ConfigError(f"unknown setting {name!r}: the keywords of your own are {examples}")
    if not dot and name not in SETTINGS:
        spelled = name.replace("-", "_").lower()
        # A typo only: `learning_rate_schedule` is no learning rate.
        if difflib.get_close_matches(spelled, ["learning_rate"], cutoff=0.85):
            raise ConfigError(f"unknown setting {name!r}: it is called lr here")
        if spelled in SETTINGS:
            raise ConfigError(f"unknown setting {name!r}: did you mean {spelled!r}?")
        raise ConfigError(unknown_name(name, SETTINGS, "setting"))


def coerce(name: str, value: Any) -> Any:
    """Convert `value` to the type of the setting `name`.

    Numbers and text are equivalent, so a command line, a JSON file and a search space give equal
    configs. As text, switches are `true` or `false`, several numbers `5+8`, and None is `none`.

    Raises: ConfigError if the setting is unknown, or the value has the wrong type or is not finite.
    """
    check_setting(name)
    if "." in name:
        return literal(value)
    annotation = _TYPES[name]
    options = (
        typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    )
    optional = types.NoneType in options
    kind = next(option for option in options if option is not types.NoneType)
    if value is None or (optional and str(value).lower() == "none"):
        if optional:
            return None
        raise ConfigError(f"{name} needs a value, such as {name}={_DEFAULTS[name]}")
    try:
        if kind is bool:
            return boolean(value)
        if kind is int:
            return integer(value)
        if kind is float:
            return finite(value)
        if kind is str:
            return str(value)
        items = value.split("+") if isinstance(value, str) else value
        if typing.get_args(kind)[0] is str:
            return tuple(map(str, items))
        return tuple(integer(item) for item in items)
    except (ValueError, TypeError):
        wanted = {bool: "true or false", int: "a whole number", float: "a finite number"}.get(
            kind, "whole numbers joined by +, such as 5+8"
        )
        raise ConfigError(f"{name}={value} is invalid: {name} must be {wanted}") from None


RESERVED_METRIC_NAMES = ("loss", "accuracy", "seconds")
"""names that a metric of the user's own cannot have"""


def check_metric_name(name: str) -> None:
    """Raise `ConfigError` if a metric's name is reserved."""
    if name in RESERVED_METRIC_NAMES:
        raise ConfigError(
            f"a metric cannot be called {name}, which is measured anyway: rename it, such as "
            f"my_{name}"
        )


def parse_metric(text: str) -> tuple[str, bool, str]:
    """Return (name, whether higher is better, path of the function) of an item of `metrics`.

    Raises: ConfigError if it is not NAME:max=package.module:function or NAME:min=... .
    """
    head, equals, path = text.partition("=")
    name, _, direction = head.partition(":")
    if not (equals and name.isidentifier() and direction in ("max", "min") and ":" in path):
        raise ConfigError(
            f"metrics={text} is invalid: type NAME:max=package.module:function, or NAME:min=... if "
            "lower is better"
        )
    check_metric_name(name)
    return name, direction == "max", path
