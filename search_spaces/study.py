"""A study: a question, and the space of configs that answers it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lenet.config import ConfigError, TrainConfig, check_setting, coerce
from search_spaces.space import SearchSpace, Space, apply_choices, from_grid

Settings = Mapping[str, Any]

BUDGETS = ("smoke", "quick", "paper")
"""`smoke`: seconds, for tests; `quick`: minutes on two cores; `paper`: as published."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A space whose every point is a trial."""

    name: str = ""
    """by which a command selects it, if it can select among grids"""
    space: Mapping[str, Sequence[Any]]
    """each dimension with its values"""
    settings: Settings = field(default_factory=dict)
    """settings shared by all trials of this grid"""
    budgets: Mapping[str, Settings] = field(default_factory=dict)
    """settings of this grid by budget; they override those of the whole study"""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a study.

    `kind` is the name of the module in `study.figures` that draws it; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Settings


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a study.

    `kind` is the name of the module in `study.tables` that makes it; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Settings = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of a published report, and how to test it.

    `kind` is the name of the module in `study.claims` whose `verdict` judges it; `options` are its
    keywords.
    """

    name: str
    source: str
    """author, section or figure"""
    statement: str
    """the claim, paraphrased"""
    published: str
    """the printed numbers; `none` if there are only words"""
    kind: str
    options: Settings


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One trial to run: its readable name, unique in the run, and its config."""

    name: str
    config: TrainConfig


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, its source, and the space of configs that answers it.

    A trial's settings come from `fixed`, the study's budget, its grid, the grid's budget, the
    values of its point and `conditional_settings`. Later ones override earlier ones.
    """

    name: str
    question: str
    source: str
    """who asked the question, and where"""
    fixed: Settings
    """settings shared by all trials"""
    grids: tuple[Grid, ...]
    budgets: Mapping[str, Settings]
    """settings shared by all trials, by budget"""
    conditional_settings: tuple[tuple[Settings, Settings], ...] = ()
    """(where, settings): a trial whose settings match `where` has these too, such as the
    hyperparameters of one optimizer"""
    objective: str = "validation_accuracy"
    """the field of a record that ranks points; see `maximized` for its direction"""
    space: Space = ()
    """what a search varies, if not the values of the one grid"""
    stochastic: bool = True
    """whether results depend on the seed; if not, one seed is enough"""
    workers: tuple[int, ...] = ()
    """numbers of data-parallel workers to compare, with `python -m study.scaling`"""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    claims: tuple[Claim, ...] = ()

    def with_grids(self, names: Sequence[str]) -> Study:
        """Return this study with only the grids of these names; no names means all grids."""
        grids = tuple(grid for grid in self.grids if not names or grid.name in names)
        return replace(self, grids=grids)

    def with_choices(self, choices: Mapping[str, Sequence[Any]]) -> Study:
        """Return this study with `choices` in place of its own values.

        Several values make a dimension. A single value stays a dimension if the setting was one,
        else it becomes a fixed setting. If the study's grids have different values of a dimension,
        each grid keeps its own values that are chosen. Values that no grid has go to all grids, and
        a grid with none of the values is removed.

        Raises: ConfigError if a setting is unknown or is the seed, or a value has the wrong type
        or is given twice.
        """
        study = self
        for name, texts in choices.items():
            check_setting(name)
            if name == "seed":
                raise ConfigError(
                    "seed is not a dimension: use --seeds N to repeat every trial with N seeds"
                )
            values = [coerce(name, text) for text in texts]
            if not values:
                raise ConfigError(f"{name} needs a value: --set {name}=VALUE")
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} has a value twice: {', '.join(map(str, texts))}")
            study = study._with_values(name, values)
        return study

    def _with_values(self, name: str, values: Sequence[Any]) -> Study:
        is_dimension = name in self.dimensions or len(values) > 1
        known = self.dimensions.get(name, [])
        grids = []
        for grid in self.grids:
            own = [coerce(name, value) for value in grid.space.get(name, values)]
            chosen = [value for value in values if value in own or value not in known]
            if is_dimension and chosen:
                # A dimension keeps its position: the last one is the innermost loop of the plan.
                grids.append(replace(grid, space={**grid.space, name: chosen}))
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
            conditional_settings=tuple(
                (where, _without(name, s)) for where, s in self.conditional_settings
            ),
        )

    @property
    def dimensions(self) -> dict[str, list[Any]]:
        """Each dimension with its values in all grids, in order."""
        found: dict[str, dict[Any, None]] = {}
        for grid in self.grids:
            for name, values in grid.space.items():
                found.setdefault(name, {}).update(
                    dict.fromkeys(coerce(name, value) for value in values)
                )
        return {name: list(values) for name, values in found.items()}

    def plan(self, budget: str, seeds: int, dataset: str | None = None) -> list[PlannedTrial]:
        """Return the trials of this study at `budget`.

        Seeds are the outermost loop, so an interrupted run has whole repeats of the grid.
        `dataset` replaces the study's own unless a grid varies it. A point that several grids
        share is one trial.

        Raises: ConfigError if a point is not a valid config, or two grids would train it with
        different settings.
        """
        trials: dict[str, PlannedTrial] = {}
        for seed in range(seeds):
            for grid in self.grids:
                for values in itertools.product(*grid.space.values()):
                    settings = self._shared_settings(grid, budget, dataset)
                    settings |= dict(zip(grid.space, values, strict=True))
                    for where, more in self.conditional_settings:
                        if all(settings.get(name) == value for name, value in where.items()):
                            settings |= more
                    config = TrainConfig.from_dict(settings | {"seed": seed})
                    name = self.trial_name(config)
                    first = trials.setdefault(name, PlannedTrial(name=name, config=config))
                    if first.config != config:
                        raise ConfigError(
                            f"two grids of {self.name} would train {name} with different "
                            f"{_differing(first.config, config)}: set that too, or choose values "
                            "that only one of the grids has"
                        )
        return list(trials.values())

    def search_space(
        self, choices: Mapping[str, Sequence[Any]], budget: str, dataset: str | None = None
    ) -> SearchSpace:
        """Return the search space of this study at `budget`.

        `choices` replace its own values, see `search_spaces.space.apply_choices`.

        Raises: ConfigError if the study has several grids, nothing varies, or the space is not
        valid (see `SearchSpace.check`).
        """
        if len(self.grids) > 1 or self.workers:
            raise ConfigError(
                f"{self.name} has several grids or compares workers, so it is not one search "
                "space: search another study, such as search or fan"
            )
        grid = self.grids[0]
        dimensions, single = (self.space, {}) if self.space else from_grid(grid.space)
        dimensions, chosen = apply_choices(dimensions, choices)
        if not dimensions:
            raise ConfigError(
                "every setting is fixed, so there is nothing to search: give a setting several "
                "values, or a range LOW..HIGH"
            )
        shared = self._shared_settings(grid, budget, dataset)
        space = SearchSpace(dimensions, shared | single | chosen, self.conditional_settings)
        space.check()
        return space

    def _shared_settings(self, grid: Grid, budget: str, dataset: str | None) -> dict[str, Any]:
        """Return the settings that all trials of `grid` share."""
        return {
            **self.fixed,
            **({} if dataset is None else {"dataset": dataset}),
            **self.budgets[budget],
            **grid.settings,
            **grid.budgets.get(budget, {}),
        }

    def trial_name(self, config: TrainConfig) -> str:
        """Return a readable name, unique in the run: the coordinates of the point, then the seed.

        A dimension with one value that is the default is omitted.
        """
        default = TrainConfig()
        coordinates = []
        for name, values in self.dimensions.items():
            value = getattr(config, name)
            if [value] == values and value == getattr(default, name):
                continue
            if isinstance(value, tuple):
                value = "+".join(map(str, value))
            prefix = "" if isinstance(value, str) else _SHORT_NAMES.get(name, name)
            coordinates.append(f"{prefix}{value}")
        name = "_".join([*coordinates, f"seed{config.seed}"])
        return name.replace("/", "-").replace(":", "-")


def maximized(objective: str) -> bool:
    """Return True if higher is better: accuracies and speeds, as opposed to losses and seconds."""
    return "accuracy" in objective or objective.endswith("_per_second")


def _differing(one: TrainConfig, other: TrainConfig) -> str:
    ours, theirs = one.to_dict(), other.to_dict()
    return ", ".join(name for name in ours if ours[name] != theirs[name])


def _without(name: str, settings: Settings) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}


_SHORT_NAMES = {"batch_size": "batch"}
