"""The job that finds a learning rate with the range test, and verifies it by training."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

import search_spaces
from lenet.config import ConfigError, unknown_name
from lenet.own_part_checks import check_own_parts
from search_spaces import kept
from search_spaces import lr_range as studies
from search_spaces.study import Study
from study.api.job import TuningJob, open_for_tool, shell_command
from study.api.places import (
    Place,
    data_folder,
    existing_folder,
    location,
    new_place,
    on_cluster,
    reused_places,
)
from study.api.studies import Settings, as_typed, choices, study_name, unique_names
from study.request import (
    DEFAULT_RESOURCES,
    RangeTestOptions,
    Request,
    ResourceRequest,
    TuningSession,
    check_count,
)

if TYPE_CHECKING:
    from study.cluster.engine import Engine
    from study.tuning.verification import Verification

TOOL = "study.lr_range"
SEEDS = 3


@dataclass(frozen=True, kw_only=True, repr=False)
class RangeTestJob(TuningJob):
    """The job of a range test, with or without verification."""

    def _load(self) -> None:
        super()._load()
        if verification := self._verification():
            verification.check(self.session.request.plan())

    def _make_engine(self, console: Console) -> Engine:
        return self._tuning_engine(console, self.session, self._verification())

    def _verification(self) -> Verification | None:
        session, range_test = self.session, self.session.options
        assert isinstance(range_test, RangeTestOptions)
        if range_test.verify_epochs is None:
            return None
        grid = Path(range_test.grid) if range_test.grid else None
        if grid is not None and session.resumed and not grid.is_dir():
            grid = None  # resumed on another machine: train what was not adopted
        from study.tuning.verification import Verification

        return Verification(
            request=session.request,
            quantity=f"{range_test.loss}_loss",
            epochs=range_test.verify_epochs,
            epochs_chosen=range_test.verify_epochs_chosen,
            grid=grid,
        )


def lr_range(
    study: str | Path | Study | None = None,
    *,
    ramps: str | Sequence[str] = "exponential",
    loss: str = "train",
    budget: str = "quick",
    seeds: int = SEEDS,
    settings: Settings | None = None,
    verify: bool = False,
    verify_epochs: int | None = None,
    grid: str | Path | None = None,
    pack: str | int = "auto",
    reuse: str | Path | Sequence[str | Path] = (),
    results: Place | None = None,
    storage: Place | None = None,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
) -> RangeTestJob:
    """Make the job that trains each optimizer while its learning rate grows, `seeds` times.

    Args:
        study: a study of your own: `package.module:STUDY`, a file, or a `Study`; None: LeNet on
            MNIST with sgd, adamw and adam.
        ramps: shapes of the growth: `exponential`, `linear`, `lambda` or `multistep`.
        loss: the loss that the rules read: `train`, `validation` or `test`.
        budget: how long each ramp trains: `smoke`, `quick` or `paper`.
        seeds: how often every ramp is trained, each time with another seed.
        settings: values in place of the study's own, such as `{"optimizer": "sgd"}`.
        verify: also train at 0.1, 1 and 10 times each suggestion, and score the rules.
        verify_epochs: epochs of each such trial; None: 3, or 10 at budget `paper`, or as many as
            your own study has.
        grid: an earlier run; its trials that differ only in learning rate and seed are taken over.
        pack: `auto`, `off`, or the maximum number of trials that are trained as one fleet.
        reuse: folders of earlier runs whose trials of equal config are taken over.
        results: the place of this run; None: a new name in `storage`.
        storage: the parent of all runs, a folder or a bucket; None: `results`.
        data_dir: folder of the data sets.
        resources: what the trials run on.

    Raises: ConfigError if the request is not valid, or the place is taken.
    """
    arguments = dict(locals())
    names = unique_names(ramps)
    for name in names:
        if name not in studies.RAMPS:
            raise ConfigError(f"--ramps: {unknown_name(name, studies.RAMPS, 'ramp')}")
    chosen = choices(settings)
    if "schedule" in chosen:
        raise ConfigError("--set schedule does not apply to ramps: choose them with --ramps")
    if loss not in studies.LOSSES:
        raise ConfigError(unknown_name(loss, studies.LOSSES, "loss"))
    own = "" if study is None else _own_study(study)
    request = Request(
        study=studies.study_name(loss, own),
        budget=budget,
        seeds=seeds,
        choices=chosen,
        grids=names,
    )
    # Reports a wrong name or value before torch is imported.
    check_own_parts(planned.config for planned in request.plan())
    options = RangeTestOptions(
        loss=loss,
        pack=str(pack),
        reuse=reused_places(reuse),
        **_verification_options(own, budget, verify=verify, epochs=verify_epochs, grid=grid),
    )
    return RangeTestJob(
        session=TuningSession(
            tool=TOOL,
            request=request,
            options=options,
            resources=on_cluster(resources),
            place=new_place(results, storage, request.study, budget),
            data_dir=data_folder(data_dir),
            command=shell_command(
                lr_range, arguments, study=own or None, settings=as_typed(chosen)
            ),
        ),
    )


def resumed_range_test(
    place: Place,
    *,
    data_dir: str | Path | None = None,
    resources: ResourceRequest = DEFAULT_RESOURCES,
) -> RangeTestJob:
    """Make the job that finishes the range test in `place`.

    Raises: ConfigError if there is no such run.
    """
    where = location(place)
    run = open_for_tool(where, TOOL).run
    request, options = Request.of_run(run), RangeTestOptions.from_json(run.options)
    request.plan()  # before torch is imported, to report a changed study at once
    return RangeTestJob(
        session=TuningSession(
            tool=TOOL,
            request=request,
            options=options,
            resources=on_cluster(resources),
            place=where,
            resumed=True,
            data_dir=data_folder(data_dir),
        ),
    )


def _own_study(study: str | Path | Study) -> str:
    """Return the name of the user's own study. Raises: ConfigError if it is a listed one."""
    if isinstance(study, Study) or kept.is_own(os.fspath(study)):
        return study_name(study)
    raise ConfigError(
        f"{study} is no study of your own: type FILE.py or package.module:STUDY, or omit it to "
        "test LeNet on MNIST"
    )


def _verification_options(
    own: str, budget: str, *, verify: bool, epochs: int | None, grid: str | Path | None
) -> dict[str, Any]:
    if not verify:
        for option, value in (("--verify-epochs", epochs), ("--grid", grid)):
            if value is not None:
                raise ConfigError(f"{option} belongs to the verification: add --verify")
        return {}
    if epochs is not None:
        check_count("verify_epochs", epochs)
    usual: int = studies.VERIFICATION_BUDGETS[budget]["epochs"]
    if own:  # its trials are as long as in its grid
        study = search_spaces.find(own)
        usual = {**study.fixed, **study.budgets.get(budget, {})}.get("epochs") or usual
    return {
        "verify_epochs": epochs or usual,
        "verify_epochs_chosen": epochs is not None,
        "grid": None if grid is None else str(existing_folder(grid, "grid").resolve()),
    }
