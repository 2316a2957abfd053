"""A study: a question, and the space of configs that answers it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lenet.config import (
    ConfigError,
    TrainConfig,
    check_setting,
    coerce,
    unknown_name,
)
from search_spaces.declaration import (
    BUDGETS,
    check_name,
    check_objective,
    check_sequences,
    with_paths,
    with_paths_by_budget,
)
from search_spaces.grid_names import trial_name
from search_spaces.length import as_many_steps, check_batch_size
from search_spaces.objective import declare_metric
from search_spaces.parts import Claim, Figure, Grid, Metric, Settings, Table
from search_spaces.space import (
    Choice,
    Dimension,
    SearchSpace,
    Space,
    apply_choices,
    from_grid,
    without_foreign,
)

__all__ = ["Claim", "Figure", "Grid", "Metric", "PlannedTrial", "Settings", "Study", "Table"]


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One trial to run: its readable name, unique in the run, and its config."""

    name: str
    config: TrainConfig
    fleet: str = ""
    """the fleet that it is trained in; empty: it is trained alone"""
    slot: int = 0
    """its place in the fleet"""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, its source, and the space of configs that answers it.

    A trial's settings come from `fixed`, the study's budget, its grid, the grid's budget, the
    values of its point and `conditional_settings`. Later ones override earlier ones. On a data set
    smaller than the one in `fixed`, a trial has more epochs (`search_spaces.length`).
    """

    name: str
    question: str
    source: str
    """who asked the question, and where"""
    fixed: Settings
    """settings shared by all trials"""
    grids: tuple[Grid, ...]
    """the grids of a run that names none"""
    extra_grids: tuple[Grid, ...] = ()
    """named grids that a run trains only if it names them: those that go beyond the report"""
    budgets: Mapping[str, Settings]
    """settings shared by all trials, by budget"""
    conditional_settings: tuple[tuple[Settings, Settings], ...] = ()
    """(where, settings): a trial whose settings match `where` has these too, such as the
    hyperparameters of one optimizer"""
    objective: str = "validation_accuracy"
    """the field of a record that ranks points; `search_spaces.objective.maximized` has its
    direction"""
    space: Space = ()
    """what a search varies, if not the values of the one grid"""
    stochastic: bool = True
    """whether results depend on the seed; if not, one seed is enough"""
    made_for: str = ""
    """data set for which the epochs are declared; empty: the one in `fixed`"""
    chosen: frozenset[str] = frozenset()
    """settings with other values than the study's own, see `with_choices`"""
    workers: tuple[int, ...] = ()
    """numbers of data-parallel workers to compare, with `python -m study.scaling`"""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    claims: tuple[Claim, ...] = ()
    metrics: tuple[Metric, ...] = ()
    """the user's own, besides loss and accuracy"""

    def __post_init__(self) -> None:
        check_name("study", self.name)
        check_sequences(self, _SEQUENCES)
        if not self.grids:
            raise ConfigError(
                f'study {self.name} has no grid: give it grids=(Grid(space={{"lr": (0.1, 0.01)}}),)'
            )
        object.__setattr__(self, "fixed", with_paths("fixed", self.fixed))
        object.__setattr__(self, "budgets", with_paths_by_budget(self.name, self.budgets))
        pairs = [
            tuple(with_paths("conditional_settings", part) for part in pair)
            for pair in self.conditional_settings
        ]
        object.__setattr__(self, "conditional_settings", tuple(pairs))
        for metric in self.metrics:
            declare_metric(
                metric.name,
                maximize=metric.maximize,
                low=metric.low,
                high=metric.high,
                study=self.name,
            )
        check_objective(self.name, self.objective, [metric.name for metric in self.metrics])
        # Remembered here, because a choice of the user may replace it in `fixed`.
        made_for = self.made_for or self.fixed.get("dataset", TrainConfig.dataset)
        object.__setattr__(self, "made_for", made_for)

    def with_grids(self, names: Sequence[str]) -> Study:
        """Return this study with the grids of these names; no names means its `grids`.

        Raises: ConfigError if no grid has such a name.
        """
        if not names:
            return self
        grids = (*self.grids, *self.extra_grids)
        known = list(dict.fromkeys(grid.name for grid in grids if grid.name))
        for name in names:
            if not known:
                raise ConfigError(f"{self.name} has no grid {name}, nor any by name: omit --grids")
            if name not in known:
                raise ConfigError(unknown_name(name, known, f"grid of {self.name}"))
        return replace(self, grids=tuple(grid for grid in grids if grid.name in names))

    @property
    def with_all_grids(self) -> Study:
        """This study with its extra grids among its grids."""
        return replace(self, grids=(*self.grids, *self.extra_grids), extra_grids=())

    def with_choices(self, choices: Mapping[str, Sequence[Any]]) -> Study:
        """Return this study with `choices` in place of its own values.

        Several values make a dimension. A single value stays a dimension if the setting was one,
        else it becomes a fixed setting. If the study's grids have different values of a dimension,
        each grid keeps those of its values that are chosen. Values that no grid has go to all
        grids, and a grid with none of the values is removed.

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
            ranges = [text for text in texts if isinstance(text, str) and ".." in text]
            if ranges:
                raise ConfigError(
                    f"{name}={ranges[0]} is a range, and a grid has single values: list them, or "
                    "search the range with python -m study.search"
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
            chosen=self.chosen | (set() if set(values) <= set(known) else {name}),
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
        dimensions = self.dimensions
        for seed in range(seeds):
            for grid in self.grids:
                for values in itertools.product(*grid.space.values()):
                    settings = self._shared_settings(grid, budget, dataset)
                    settings |= dict(zip(grid.space, values, strict=True))
                    for where, more in self.conditional_settings:
                        if all(settings.get(name) == value for name, value in where.items()):
                            settings |= more
                    given = {*self.chosen, *grid.space}
                    settings = as_many_steps(without_foreign(settings), self.made_for, given)
                    config = TrainConfig.from_dict(settings | {"seed": seed})
                    # In a study's own values, a batch that exceeds the data means all of them.
                    if "batch_size" in self.chosen:
                        check_batch_size(settings)
                    name = trial_name(config, dimensions)
                    first = trials.setdefault(name, PlannedTrial(name=name, config=config))
                    if first.config != config:
                        raise ConfigError(
                            f"two grids of {self.name} would train {name} with different "
                            f"{_differing(first.config, config)}: set that too, or choose values "
                            "that only one of the grids has"
                        )
        for name in self.chosen:
            if "." in name and all(trial.config.get(name) is None for trial in trials.values()):
                part = name.partition(".")[0]
                raise ConfigError(
                    f"{name} is a keyword of your own {part}, and no trial has one: add --set "
                    f"{part}=package.module:object, or omit {name}"
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
        dimensions, chosen = apply_choices(dimensions, choices, self._declared(grid))
        if not dimensions:
            raise ConfigError(
                "every setting is fixed, so there is nothing to search: give a setting several "
                "values, or a range LOW..HIGH"
            )
        shared = self._shared_settings(grid, budget, dataset)
        given = {*chosen, *(dimension.setting for dimension in dimensions)}
        fixed = as_many_steps(shared | single | chosen, self.made_for, given)
        space = SearchSpace(dimensions, fixed, self.conditional_settings)
        space.check()
        for size in choices.get("batch_size", ()):
            check_batch_size(fixed | {"batch_size": size})
        return space

    def _declared(self, grid: Grid) -> dict[str, list[Any]]:
        """Return the values that the study itself gives to its settings, by setting."""
        declared: dict[str, list[Any]] = {}
        for settings in (self.fixed, *(settings for _, settings in self.conditional_settings)):
            for name, value in settings.items():
                declared.setdefault(name, []).append(value)
        domains = {d.setting: d.domain for d in self.space}
        values = {n: d.values for n, d in domains.items() if isinstance(d, Choice)}
        for name, several in {**values, **grid.space}.items():
            declared.setdefault(name, []).extend(several)
        return declared

    def _shared_settings(self, grid: Grid, budget: str, dataset: str | None) -> dict[str, Any]:
        """Return the settings that all trials of `grid` share."""
        metrics = {"metrics": tuple(metric.setting for metric in self.metrics)}
        return {
            **(metrics if self.metrics else {}),
            **self.fixed,
            **({} if dataset is None else {"dataset": dataset}),
            **self._settings_of_budget(budget),
            **grid.settings,
            **grid.budgets.get(budget, {}),
        }

    def _settings_of_budget(self, budget: str) -> Settings:
        if budget not in self.budgets:
            known = ", ".join(self.budgets) or "none"
            remedy = "add it to `budgets`, or choose another with --budget"
            if budget not in BUDGETS:
                remedy = f"choose from {', '.join(BUDGETS)}"
            raise ConfigError(f"{self.name} has no budget {budget} (it has {known}): {remedy}")
        return self.budgets[budget]

    def trial_name(self, config: TrainConfig) -> str:
        """Return the name of the trial of `config`, unique in the run."""
        return trial_name(config, self.dimensions)


_SEQUENCES: Mapping[str, type] = {
    "grids": Grid,
    "extra_grids": Grid,
    "conditional_settings": tuple,
    "space": Dimension,
    "workers": int,
    "figures": Figure,
    "tables": Table,
    "claims": Claim,
    "metrics": Metric,
}
"""The fields of a study that hold several items, each with their class."""


def _differing(one: TrainConfig, other: TrainConfig) -> str:
    ours, theirs = one.to_dict(), other.to_dict()
    return ", ".join(name for name in ours if ours[name] != theirs[name])


def _without(name: str, settings: Settings) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key != name}
