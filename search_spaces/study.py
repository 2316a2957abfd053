"""Study: a question with the space of configs that answers it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lenet.config import ConfigError, TrainConfig, check_setting, coerce
from search_spaces import space as search_space
from search_spaces.space import Space

Settings = Mapping[str, Any]

BUDGETS = ("smoke", "quick", "paper")
"""`smoke`: seconds, for tests; `quick`: minutes on two cores; `paper`: as published."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A space whose every point is a trial."""

    name: str = ""
    """what it is chosen by, where a command chooses among grids"""
    space: Mapping[str, Sequence[Any]]
    """each dimension with its values"""
    settings: Settings = field(default_factory=dict)
    """settings equal in all trials of this grid"""
    budgets: Mapping[str, Settings] = field(default_factory=dict)
    """what a budget fixes in this grid, on top of what it fixes in the whole study"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a study: which drawing of `study.figures`, of what.

    `kind` is the name of the module in `study.figures`; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Settings


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a study: which summary of `study.tables`, of what.

    `kind` is the name of the module in `study.tables`; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of a published report, and how it is put to the test.

    `kind` is the name of the module in `study.claims` whose `verdict` judges it; `options`
    are its keywords.
    """

    name: str
    source: str
    """author, section or figure"""
    says: str
    """what is claimed, in our words"""
    published: str
    """the numbers printed there; `none` where there are only words"""
    kind: str
    options: Settings


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One trial to run: its readable name, unique in the run, and its config."""

    name: str
    config: TrainConfig


@dataclass(frozen=True)
class Searched:
    """A space to search in, and all that is settled."""

    space: Space
    base: Settings
    """settings equal in all trials"""
    given: tuple[tuple[Settings, Settings], ...] = ()
    """(where, settings): settings that go with a value"""

    def config(self, values: Settings) -> TrainConfig:
        """The config of a point of the space; raises `ConfigError` if it is none."""
        settings = {**self.base, **values}
        for where, more in self.given:
            if all(settings.get(name) == value for name, value in where.items()):
                settings = {**settings, **more, **values}
        return TrainConfig.from_dict(settings)

    def check(self) -> None:
        """Raise `ConfigError` if some value of a dimension, or an end of its range, gives no config
        with the others at some value of theirs."""
        for dimension in self.space:
            for value in search_space.extremes(dimension):
                self.config(search_space.point_with(self.space, dimension, value))


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, where it was asked, and the space of configs that answers it.

    A point's settings are `fixed`, then the budget's, then its grid's, then the grid's for the
    budget, then whatever is `given` with its values, each over the ones before.
    """

    name: str
    question: str
    source: str
    """who asked it, and where"""
    fixed: Settings
    """settings equal in all trials"""
    grids: tuple[Grid, ...]
    budgets: Mapping[str, Settings]
    """what each budget fixes in all trials"""
    given: tuple[tuple[Settings, Settings], ...] = ()
    """(where, settings): settings that go with a value, such as an optimizer's own"""
    objective: str = "validation_accuracy"
    """what points are ranked by: a measurement of a record; losses are the better the lower"""
    space: Space = ()
    """what a search looks for, if not the values of its one grid"""
    drawn: bool = True
    """whether anything depends on the seed; if not, one seed is all there is to see"""
    workers: tuple[int, ...] = ()
    """data-parallel workers to compare; a study with any is run by the scaling command"""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    claims: tuple[Claim, ...] = ()

    def taking(self, grids: Sequence[str]) -> Study:
        """This study with the grids of these names alone; with all if none is named."""
        taken = tuple(grid for grid in self.grids if not grids or grid.name in grids)
        return replace(self, grids=taken)

    def narrowed(self, choices: Mapping[str, Sequence[Any]]) -> Study:
        """This study with `choices` in place of its own values: several values make a
        dimension, a single one a dimension if it was one and else a fixed setting.

        Where the grids of a study have different values of a dimension, each keeps those of
        its own that are chosen, values that none of them has go to all, and a grid without
        any is left out. Raises `ConfigError` on a setting that does not exist, a value of the
        wrong kind, a value given twice, or an attempt to choose the seed (`--seeds` repeats
        points).
        """
        study = self
        for name, given in choices.items():
            check_setting(name)
            if name == "seed":
                raise ConfigError("seed is not a dimension: use --seeds N to repeat every point")
            values = [coerce(name, value) for value in given]
            if not values:
                raise ConfigError(f"{name} needs a value: --set {name}=VALUE")
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} has a value twice: {', '.join(map(str, given))}")
            study = study._chosen(name, values)
        return study

    def _chosen(self, name: str, values: Sequence[Any]) -> Study:
        is_dimension = name in self.dimensions or len(values) > 1
        known = self.dimensions.get(name, [])
        grids = []
        for grid in self.grids:
            own = [coerce(name, value) for value in grid.space.get(name, values)]
            kept = [value for value in values if value in own or value not in known]
            if is_dimension and kept:
                # In its place, if it has one: the last dimension is the innermost.
                grids.append(replace(grid, space={**grid.space, name: kept}))
            elif not is_dimension:
                grids.append(grid)
        return replace(
            self,
            fixed=_without(name, self.fixed) | ({} if is_dimension else {name: values[0]}),
            budgets={budget: _without(name, s) for budget, s in self.budgets.items()},
            grids=tuple(
                replace(
                    grid,
                    settings=_without(name, grid.settings),
                    budgets={budget: _without(name, s) for budget, s in grid.budgets.items()},
                )
                for grid in grids
            ),
            given=tuple((where, _without(name, s)) for where, s in self.given),
        )

    @property
    def dimensions(self) -> dict[str, list[Any]]:
        """Each dimension with all the values that it takes in any of the grids, in order."""
        found: dict[str, dict[Any, None]] = {}
        for grid in self.grids:
            for name, values in grid.space.items():
                found.setdefault(name, {}).update(
                    dict.fromkeys(coerce(name, value) for value in values)
                )
        return {name: list(values) for name, values in found.items()}

    def plan(self, budget: str, seeds: int, dataset: str | None = None) -> list[Planned]:
        """The trials of this study at this budget: every point with seed 0 first, then
        every point with seed 1, ..., so that a run cut short has whole repeats.

        `dataset` replaces the study's own where the grid does not vary it. A point that two
        grids have is one trial. Raises `ConfigError` on the first point that is no valid config,
        or that two grids would train differently.
        """
        planned: dict[str, Planned] = {}
        for seed in range(seeds):
            for grid in self.grids:
                for values in itertools.product(*grid.space.values()):
                    settings = {
                        **self.fixed,
                        **({} if dataset is None else {"dataset": dataset}),
                        **self.budgets[budget],
                        **grid.settings,
                        **grid.budgets.get(budget, {}),
                        **dict(zip(grid.space, values, strict=True)),
                    }
                    for where, given in self.given:
                        if all(settings.get(name) == value for name, value in where.items()):
                            settings |= given
                    config = TrainConfig.from_dict(settings | {"seed": seed})
                    name = self.trial_name(config)
                    first = planned.setdefault(name, Planned(name=name, config=config))
                    if first.config != config:
                        raise ConfigError(
                            f"two grids of {self.name} would train {name} with different "
                            f"{_differing(first.config, config)}: set that too, or choose values "
                            "that only one of them has"
                        )
        return list(planned.values())

    def searched(
        self, choices: Mapping[str, Sequence[Any]], budget: str, dataset: str | None = None
    ) -> Searched:
        """What a search of this study looks for at this budget, narrowed by `choices` (see
        `search_spaces.space.narrowed`). Raises `ConfigError` where that is no space, or the
        study has several grids."""
        if len(self.grids) > 1 or self.workers:
            raise ConfigError(
                f"{self.name} is no one space to search in, it has several grids or compares "
                "workers: search another study, such as search or fan"
            )
        grid = self.grids[0]
        space, single = (self.space, {}) if self.space else search_space.of_grid(grid.space)
        space, chosen = search_space.narrowed(space, choices)
        base = {
            **self.fixed,
            **({} if dataset is None else {"dataset": dataset}),
            **self.budgets[budget],
            **grid.settings,
            **grid.budgets.get(budget, {}),
            **single,
            **chosen,
        }
        if not space:
            raise ConfigError(
                "nothing is left to search: give several values, or a range LOW..HIGH"
            )
        search_space.check(space, base)
        searched = Searched(space, base, self.given)
        searched.check()
        return searched

    def trial_name(self, config: TrainConfig) -> str:
        """Readable and unique in the run: the point's coordinates, then the seed."""
        default = TrainConfig()
        parts = []
        for name, values in self.dimensions.items():
            value = getattr(config, name)
            if [value] == values and value == getattr(default, name):
                continue
            if isinstance(value, tuple):
                value = "+".join(map(str, value))
            parts.append(value if isinstance(value, str) else f"{_LABELS.get(name, name)}{value}")
        return (
            "_".join([*map(str, parts), f"seed{config.seed}"]).replace("/", "-").replace(":", "-")
        )


def maximized(objective: str) -> bool:
    """Whether more of an objective is better: of accuracies and speeds. Of losses and seconds less
    is."""
    return "accuracy" in objective or objective.endswith("_per_second")


def _differing(one: TrainConfig, other: TrainConfig) -> str:
    mine, theirs = one.to_dict(), other.to_dict()
    return ", ".join(name for name in mine if mine[name] != theirs[name])


def _without(name: str, settings: Settings) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


_LABELS = {"batch_size": "batch"}
