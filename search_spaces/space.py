"""A space to search in: dimensions, some of which are there only with certain values of others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lenet.config import ConfigError, TrainConfig, check_setting, coerce

_BY_RATIO = frozenset({"lr", "weight_decay", "eps", "l1", "l2"})
"""Settings of which factors matter and not differences."""


@dataclass(frozen=True)
class Range:
    """Every number from `low` to `high`; by ratios if `log`."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: Any) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}{' (log)' if self.log else ''}"


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Dimension:
    """A setting that is searched."""

    setting: str
    over: Range | Choice
    where: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """the values of earlier dimensions, or of fixed settings, with which it is there"""

    def present(self, settings: Mapping[str, Any]) -> bool:
        """Whether it is there with these values of what comes before it."""
        return all(settings.get(name) in values for name, values in self.where.items())


Space = tuple[Dimension, ...]


def check(space: Space, fixed: Mapping[str, Any]) -> None:
    """Raise `ConfigError` on a space that cannot be: an unknown setting, a range without room, a
    value of the wrong kind, or a condition that nothing before it, nor `fixed`, can meet."""
    before: dict[str, Range | Choice] = {}
    for dimension in space:
        name = dimension.setting
        check_setting(name)
        if name in before:
            raise ConfigError(f"the space has {name} twice: leave one of them out")
        for needed, values in dimension.where.items():
            over = before.get(needed)
            if over is None and needed not in fixed:
                raise ConfigError(
                    f"{name} is searched where {needed} has certain values, but {needed} is "
                    f"neither fixed nor a dimension before it: put {needed} before {name}"
                )
            met = over is None and fixed[needed] in values
            if not met and (over is None or not any(map(over.holds, values))):
                listed = ", ".join(sorted(map(str, values)))
                raise ConfigError(
                    f"{name} is searched where {needed} is {listed}, which it never is: leave "
                    f"{name} out, or let {needed} be one of these"
                )
        before[name] = dimension.over
        if isinstance(dimension.over, Choice):
            for value in dimension.over.values:
                if isinstance(coerce(name, value), tuple):
                    raise ConfigError(
                        f"{name} is several numbers, which no sampler proposes: fix it, with "
                        f"--set {name}=VALUE"
                    )
        elif not dimension.over.low < dimension.over.high:
            raise ConfigError(
                f"{name}={dimension.over} is no range: give the lower end first, or a single value "
                f"with --set {name}=VALUE"
            )


def extremes(dimension: Dimension) -> list[Any]:
    """Every value of a choice, and the two ends of a range."""
    over = dimension.over
    return list(over.values) if isinstance(over, Choice) else [over.low, over.high]


def point_with(space: Space, dimension: Dimension, value: Any) -> dict[str, Any]:
    """A point that has this value of this dimension, and of the others what lets it be there: a
    first choice, or the middle of a range."""
    needed = {name: values for name, values in dimension.where.items()}
    point: dict[str, Any] = {}
    for other in space:
        if not other.present(point):
            continue
        over = other.over
        if other.setting == dimension.setting:
            point[other.setting] = value
        elif isinstance(over, Choice):
            wanted = needed.get(other.setting, over.values)
            point[other.setting] = next(v for v in over.values if v in wanted)
        else:
            middle = math.sqrt(over.low * over.high) if over.log else (over.low + over.high) / 2
            point[other.setting] = middle
    return point


def narrowed(space: Space, choices: Mapping[str, Sequence[Any]]) -> tuple[Space, dict[str, Any]]:
    """The space with `choices` in place of its own, and the settings that these fix.

    One value fixes a setting, several are a choice, and `LOW..HIGH` is a range. A dimension that
    is new comes behind the others. Dimensions that can no longer be there are left out. Raises
    `ConfigError` on what is no value of its setting.
    """
    fixed: dict[str, Any] = {}
    changed: dict[str, Range | Choice] = {}
    for name, given in choices.items():
        check_setting(name)
        if name == "seed":
            raise ConfigError("seed is no dimension: --confirm retrains with fresh ones")
        over = _parsed(name, given)
        if isinstance(over, Choice) and len(over.values) == 1:
            fixed[name] = over.values[0]
        else:
            changed[name] = over
    kept: list[Dimension] = []
    known = {dimension.setting for dimension in space}
    for dimension in space:
        name = dimension.setting
        if name in fixed or not _possible(dimension, kept, fixed):
            continue
        kept.append(Dimension(name, changed.get(name, dimension.over), dimension.where))
    kept += [Dimension(name, over) for name, over in changed.items() if name not in known]
    return tuple(kept), fixed


def of_grid(space: Mapping[str, Sequence[Any]]) -> tuple[Space, dict[str, Any]]:
    """A grid's space as one to search in, and what it fixes: rates and probabilities anywhere
    between their lowest and highest value, all else one of its values."""
    dimensions = []
    fixed = {}
    for name, values in space.items():
        coerced = tuple(coerce(name, value) for value in values)
        if len(coerced) == 1:
            fixed[name] = coerced[0]
        elif isinstance(getattr(_DEFAULT, name), float) or name in _BY_RATIO:
            dimensions.append(Dimension(name, _range(name, min(coerced), max(coerced))))
        else:
            dimensions.append(Dimension(name, Choice(coerced)))
    return tuple(dimensions), fixed


_DEFAULT = TrainConfig()


def _possible(dimension: Dimension, before: Sequence[Dimension], fixed: Mapping[str, Any]) -> bool:
    over = {earlier.setting: earlier.over for earlier in before}
    for name, values in dimension.where.items():
        if name in fixed and fixed[name] not in values:
            return False
        if name in over and not any(map(over[name].holds, values)):
            return False
    return True


def _parsed(name: str, given: Sequence[Any]) -> Range | Choice:
    ranges = [value for value in given if isinstance(value, str) and ".." in value]
    if ranges:
        low, _, high = ranges[0].partition("..")
        if len(given) > 1 or ".." in high:
            raise ConfigError(
                f"{name} is searched in one range LOW..HIGH, or over a list of values"
            )
        ends = [coerce(name, end) for end in (low, high)]
        if not all(isinstance(end, float) for end in ends):
            raise ConfigError(
                f"{name}={given[0]} is a range of what is no fraction: list its values, "
                f"{name}=VALUE,VALUE"
            )
        return _range(name, *ends)
    values = tuple(coerce(name, value) for value in given)
    if len(set(values)) < len(values):
        raise ConfigError(f"{name} has a value twice: {', '.join(map(str, given))}")
    return Choice(values)


def _range(name: str, low: float, high: float) -> Range:
    if name in _BY_RATIO and not (low > 0 and math.isfinite(high)):
        raise ConfigError(f"{name} is searched by ratios: begin its range above 0")
    return Range(float(low), float(high), log=name in _BY_RATIO)
