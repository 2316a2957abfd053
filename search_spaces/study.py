"""Study: a question with the space of configs that answers it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lenet.config import ConfigError, TrainConfig, check_setting, coerce

Settings = Mapping[str, Any]
Grid = Mapping[str, Sequence[Any]]

BUDGETS = ("smoke", "quick", "paper")
"""`smoke`: seconds, for tests; `quick`: minutes on two cores; `paper`: as published."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of a study: which drawing of `study.figures`, of what.

    `kind` is the name of the module in `study.figures`; `options` are its keywords.
    """

    name: str
    kind: str
    title: str
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One trial to run: its readable name, unique in the run, and its config."""

    name: str
    config: TrainConfig


@dataclass(frozen=True, kw_only=True)
class Study:
    """A question, where it was asked, and the grid of configs that answers it."""

    name: str
    question: str
    source: str
    """who asked it, and where"""
    fixed: Settings
    """settings equal in all trials"""
    grids: tuple[Grid, ...]
    """the space: every point of every grid is a trial"""
    budgets: Mapping[str, Settings]
    """what each budget fixes on top of `fixed`"""
    figures: tuple[Figure, ...] = ()

    def narrowed(self, choices: Mapping[str, Sequence[Any]]) -> Study:
        """This study with `choices` in place of its own values: several values make a
        dimension, a single one a dimension if it was one and else a fixed setting.

        Raises `ConfigError` on a setting that does not exist, a value of the wrong kind,
        a value given twice, or an attempt to choose the seed (`--seeds` repeats points).
        """
        fixed, grids = dict(self.fixed), [dict(grid) for grid in self.grids]
        budgets = {name: dict(settings) for name, settings in self.budgets.items()}
        for name, given in choices.items():
            check_setting(name)
            if name == "seed":
                raise ConfigError("seed is not a dimension: use --seeds N to repeat every point")
            values = [coerce(name, value) for value in given]
            if not values:
                raise ConfigError(f"{name} needs a value: --set {name}=VALUE")
            if len(set(values)) < len(values):
                raise ConfigError(f"{name} has a value twice: {', '.join(map(str, given))}")
            for settings in (fixed, *budgets.values()):
                settings.pop(name, None)
            is_dimension = any(name in grid for grid in grids)
            if len(values) > 1 or is_dimension:
                for grid in grids:
                    grid[name] = values
            else:
                fixed[name] = values[0]
        return replace(self, fixed=fixed, grids=tuple(grids), budgets=budgets)

    @property
    def dimensions(self) -> dict[str, list[Any]]:
        """Each dimension with all the values that it takes in any of the grids, in order."""
        found: dict[str, dict[Any, None]] = {}
        for grid in self.grids:
            for name, values in grid.items():
                found.setdefault(name, {}).update(
                    dict.fromkeys(coerce(name, value) for value in values)
                )
        return {name: list(values) for name, values in found.items()}

    def plan(self, budget: str, seeds: int, dataset: str | None = None) -> list[Planned]:
        """The trials of this study at this budget: every point with seed 0 first, then
        every point with seed 1, ..., so that a run cut short has whole repeats.

        `dataset` replaces the study's own where the grid does not vary it. Raises
        `ConfigError` on the first point that is no valid config.
        """
        common = dict(self.fixed) | dict(self.budgets[budget])
        if dataset is not None:
            common["dataset"] = dataset
        planned: dict[str, Planned] = {}
        for seed in range(seeds):
            for grid in self.grids:
                for values in itertools.product(*grid.values()):
                    point = dict(zip(grid, values, strict=True))
                    config = TrainConfig.from_dict(common | point | {"seed": seed})
                    name = self._name(config)
                    planned.setdefault(name, Planned(name=name, config=config))
        return list(planned.values())

    def _name(self, config: TrainConfig) -> str:
        """Readable and unique in the run: the point's coordinates, then the seed."""
        default = TrainConfig()
        parts = []
        for name, values in self.dimensions.items():
            value = getattr(config, name)
            if len(values) == 1 and value == getattr(default, name):
                continue
            if isinstance(value, tuple):
                value = "+".join(map(str, value))
            parts.append(value if isinstance(value, str) else f"{_LABELS.get(name, name)}{value}")
        return (
            "_".join([*map(str, parts), f"seed{config.seed}"]).replace("/", "-").replace(":", "-")
        )


_LABELS = {"batch_size": "batch"}
