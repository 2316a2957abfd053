"""Search spaces: settings with their ranges or choices, some conditional on other settings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from lenet import registry
from lenet.config import ConfigError, TrainConfig, check_setting, coerce
from search_spaces.declaration import check_values, value_with_paths

_LOG_SCALED = frozenset({"lr", "weight_decay", "eps", "l1", "l2"})
"""Settings whose ranges are sampled on a log scale."""

_DEFAULT = TrainConfig()


@dataclass(frozen=True)
class Range:
    """A domain of all numbers from `low` to `high`, sampled on a log scale if `log`."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    """whole numbers only"""

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        return not self.whole or float(value).is_integer()

    def __str__(self) -> str:
        kinds = ", ".join(name for name in ("log", "whole") if getattr(self, name))
        return f"{self.low:g}..{self.high:g}{f' ({kinds})' if kinds else ''}"

    @property
    def middle(self) -> float:
        """The number in the middle, on the scale on which it is sampled."""
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        return round(middle) if self.whole else middle


@dataclass(frozen=True)
class Choice:
    """A domain of several values."""

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Dimension:
    """A setting to search over."""

    setting: str
    domain: Range | Choice
    condition: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    """the dimension is active only where each of these settings, which are fixed or earlier
    dimensions, has one of these values"""

    def __post_init__(self) -> None:
        name = self.setting
        if isinstance(self.domain, Choice):
            check_values(name, self.domain.values, "a Choice")
            values = value_with_paths(name, tuple(self.domain.values))
            object.__setattr__(self, "domain", Choice(values))
        if not isinstance(self.condition, Mapping):
            raise ConfigError(
                f"the condition of {name} is a {type(self.condition).__name__}: type a dict such "
                'as {"optimizer": {"sgd"}}'
            )
        condition = {
            other: frozenset(_allowed(name, other, values))
            for other, values in self.condition.items()
        }
        object.__setattr__(self, "condition", condition)

    def is_active(self, settings: Mapping[str, Any]) -> bool:
        """Return True if `settings`, those before this dimension, meet the condition."""
        return all(settings.get(name) in values for name, values in self.condition.items())

    def to_json(self) -> dict[str, Any]:
        """Return the dimension as `run.json` holds it."""
        domain = (
            {"choice": list(self.domain.values)}
            if isinstance(self.domain, Choice)
            else {
                "range": [self.domain.low, self.domain.high],
                "log": self.domain.log,
                "whole": self.domain.whole,
            }
        )
        where = {name: sorted(values, key=str) for name, values in self.condition.items()}
        return {"setting": self.setting, **domain, "where": where}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Dimension:
        """Read what `to_json` returned."""
        domain: Choice | Range
        if "choice" in document:
            domain = Choice(tuple(document["choice"]))
        else:
            low, high = document["range"]
            domain = Range(low, high, document["log"], document.get("whole", False))
        condition = {name: frozenset(values) for name, values in document["where"].items()}
        return cls(document["setting"], domain, condition)


def _allowed(setting: str, other: str, values: Any) -> Iterator[Any]:
    """Yield the values of `other` at which the dimension of `setting` is active.

    Raises: ConfigError unless `values` are a set or a sequence.
    """
    if isinstance(values, str) or not isinstance(values, (Set, Sequence)):
        shown = value_with_paths(other, values)
        raise ConfigError(
            f"the condition {other}={shown!r} of {setting} is no set: type {{{shown!r}}}"
        )
    for value in values:
        yield value_with_paths(other, value)


Space = tuple[Dimension, ...]


@dataclass(frozen=True)
class SearchSpace:
    """What a search varies, and the settings that all of its trials share."""

    dimensions: Space
    fixed: Mapping[str, Any]
    """settings that are the same in all trials"""
    conditional_settings: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]] = ()
    """see `search_spaces.study.Study`"""

    def config(self, values: Mapping[str, Any]) -> TrainConfig:
        """Return the config with these values of the dimensions.

        Raises: ConfigError if they make no valid config.
        """
        settings = {**self.fixed, **values}
        for where, more in self.conditional_settings:
            if all(settings.get(name) == value for name, value in where.items()):
                settings = {**settings, **more, **values}
        return TrainConfig.from_dict(without_foreign(settings))

    def check(self) -> None:
        """Validate the dimensions and the `examples` of their configs.

        Raises: ConfigError if a setting is unknown, a range is empty, a value has the wrong type,
        no earlier setting can meet a condition, or a value makes no valid config.
        """
        earlier: dict[str, Range | Choice] = {}
        for dimension in self.dimensions:
            self._check_dimension(dimension, earlier)
            earlier[dimension.setting] = dimension.domain
        for _ in self.examples():  # making a config checks it
            pass

    def examples(self) -> Iterator[TrainConfig]:
        """Yield configs: each value of a choice, and both ends of a range.

        Each comes with one value of every other dimension.

        Raises: ConfigError if a value makes no valid config.
        """
        for dimension in self.dimensions:
            domain = dimension.domain
            values = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
            for value in values:
                yield self.config(self._example(dimension, value))

    def _check_dimension(self, dimension: Dimension, earlier: Mapping[str, Range | Choice]) -> None:
        name, domain = dimension.setting, dimension.domain
        check_setting(name)
        if name in earlier:
            raise ConfigError(f"{name} is in the search space twice: remove one of them")
        for needed, values in dimension.condition.items():
            if needed not in earlier and needed not in self.fixed:
                raise ConfigError(
                    f"{name} depends on {needed}, which is neither fixed nor an earlier dimension: "
                    f"put {needed} before {name}"
                )
            possible = earlier.get(needed, (self.fixed.get(needed),))
            if not any(value in possible for value in values):
                required = ", ".join(sorted(map(str, values)))
                raise ConfigError(
                    f"{name} is searched only where {needed} is {required}, which never happens: "
                    f"remove {name}, or let {needed} take one of these values"
                )
        if isinstance(domain, Choice):
            if any(isinstance(coerce(name, value), tuple) for value in domain.values):
                raise ConfigError(
                    f"{name} takes several numbers, which no sampler can propose: fix it with "
                    f"--set {name}=VALUE"
                )
        elif not domain.low < domain.high:
            raise ConfigError(
                f"{name}={domain} is an empty range: give the lower end first, or a single value "
                f"with --set {name}=VALUE"
            )

    def _example(self, dimension: Dimension, value: Any) -> dict[str, Any]:
        """Return a point with this value of `dimension`.

        For other dimensions it has the first choice that lets `dimension` be active, or the middle
        of the range.
        """
        point: dict[str, Any] = {}
        for other in self.dimensions:
            if not other.is_active(point):
                continue
            domain = other.domain
            if other.setting == dimension.setting:
                point[other.setting] = value
            elif isinstance(domain, Choice):
                allowed = dimension.condition.get(other.setting, domain.values)
                point[other.setting] = next(v for v in domain.values if v in allowed)
            else:
                point[other.setting] = domain.middle
        return point


def apply_choices(
    space: Space, choices: Mapping[str, Sequence[Any]], declared: Mapping[str, Sequence[Any]]
) -> tuple[Space, dict[str, Any]]:
    """Return `space` with `choices` in place of its own domains, and the settings that they fix.

    One value fixes a setting, several make a `Choice`, and `LOW..HIGH` makes a `Range`. For a
    keyword of the user's own part, it holds whole numbers if both ends are typed as such, unless
    the study itself, in `declared`, gives it a float. New dimensions go last. Dimensions that can
    no longer be active are removed.

    Raises: ConfigError if a setting is unknown or a value is not valid for it.
    """
    fixed: dict[str, Any] = {}
    domains: dict[str, Range | Choice] = {}
    for name, values in choices.items():
        check_setting(name)
        if name == "seed":
            raise ConfigError(
                "seed cannot be searched: use --confirm to retrain the best settings with fresh "
                "seeds"
            )
        domain = _parse_domain(name, values, declared.get(name, ()))
        if isinstance(domain, Choice) and len(domain.values) == 1:
            fixed[name] = domain.values[0]
        else:
            domains[name] = domain
    dimensions: list[Dimension] = []
    for dimension in space:
        name = dimension.setting
        if name not in fixed and _can_be_active(dimension, dimensions, fixed):
            domain = domains.get(name, dimension.domain)
            dimensions.append(Dimension(name, domain, dimension.condition))
    known = {dimension.setting for dimension in space}
    dimensions += [Dimension(name, domains[name]) for name in domains if name not in known]
    return tuple(dimensions), fixed


def from_grid(grid: Mapping[str, Sequence[Any]]) -> tuple[Space, dict[str, Any]]:
    """Return a grid's dimensions as a search space, and the settings that it fixes.

    Rates and probabilities may take any value between the grid's lowest and highest; all other
    settings take one of the grid's values.
    """
    dimensions = []
    fixed = {}
    for name, values in grid.items():
        coerced = tuple(coerce(name, value) for value in values)
        if len(coerced) == 1:
            fixed[name] = coerced[0]
        elif _is_rate(name, coerced):
            dimensions.append(Dimension(name, _range(name, min(coerced), max(coerced))))
        else:
            dimensions.append(Dimension(name, Choice(coerced)))
    return tuple(dimensions), fixed


def _can_be_active(
    dimension: Dimension, earlier: Sequence[Dimension], fixed: Mapping[str, Any]
) -> bool:
    domains = {other.setting: other.domain for other in earlier}
    for name, values in dimension.condition.items():
        if name in fixed and fixed[name] not in values:
            return False
        if name in domains and not any(value in domains[name] for value in values):
            return False
    return True


def _parse_domain(name: str, values: Sequence[Any], own: Sequence[Any]) -> Range | Choice:
    ranges = [value for value in values if isinstance(value, str) and ".." in value]
    if ranges:
        low, _, high = ranges[0].partition("..")
        if high.startswith(".") and len(values) == 1:
            rest = high.lstrip(".")
            raise ConfigError(
                f"{name}={ranges[0]} has more than two dots in a row: type {name}={low}..{rest} or "
                f"{name}={low}..0.{rest}"
            )
        if len(values) > 1 or ".." in high:
            raise ConfigError(f"{name} takes either one range LOW..HIGH or a list of values")
        if not low or not high:
            raise ConfigError(
                f"{name}={ranges[0]} is a range without {'a start' if high else 'an end'}: type "
                f"--set {name}=LOW..HIGH"
            )
        ends = [coerce(name, end) for end in (low, high)]
        if not _is_continuous(name, ends):
            raise ConfigError(f"{name} takes no range: list its values, {name}=VALUE,VALUE")
        is_whole = "." in name and all(end.lstrip("+-").isdigit() for end in (low, high))
        is_real = any(isinstance(value, float) for value in own)
        return _range(name, *ends, whole=is_whole and not is_real)
    coerced = tuple(coerce(name, value) for value in values)
    if len(set(coerced)) < len(coerced):
        raise ConfigError(f"{name} has a value twice: {', '.join(map(str, values))}")
    return Choice(coerced)


def _is_rate(name: str, values: Sequence[Any]) -> bool:
    """Return True if a search may try what lies between the values of a grid."""
    if "." in name:
        return _is_continuous(name, values) and any(isinstance(v, float) for v in values)
    return isinstance(getattr(_DEFAULT, name), float) or name in _LOG_SCALED


def _is_continuous(name: str, values: Sequence[Any]) -> bool:
    """Return True if the setting may take any value between these."""
    if "." in name:  # a keyword of the user's code has the type of its values
        return all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    return all(isinstance(value, float) for value in values)


def without_foreign(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings` without the keywords of parts that are not the user's own in them.

    A study declares keywords such as {"optimizer.k": 5} once, for all trials with its optimizer.
    """

    def belongs(name: str) -> bool:
        part, dot, _ = name.partition(".")
        return not dot or registry.is_own(str(settings.get(part, getattr(_DEFAULT, part, ""))))

    return {name: value for name, value in settings.items() if belongs(name)}


def _range(name: str, low: float, high: float, *, whole: bool = False) -> Range:
    if name in _LOG_SCALED and not (low > 0 and math.isfinite(high)):
        raise ConfigError(f"{name} is searched on a log scale: start its range above 0")
    if whole:
        low, high = int(low), int(high)
    return Range(low, high, log=name in _LOG_SCALED, whole=whole)
