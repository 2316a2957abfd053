"""Find a learning rate: the range test, read by every rule in use, and verified.

    python -m study.lr_range                              LeNet on MNIST; sgd, adamw and adam
    python -m study.lr_range --verify                     also train at the suggested rates
    python -m study.lr_range --ramps lambda,multistep --loss test        as CS5260 did
    python -m study.lr_range --set model=softmax --set optimizer=momentum --set blow_up=10
    python -m study.lr_range --resume results/NAME        finish a run that was cut short

Each optimizer, ramp and seed is a trial. Ramps: exponential, linear, lambda, multistep.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lenet.config import ConfigError, unknown_name
from search_spaces import lr_range
from study import commandline
from study.request import RangeTestOptions, Request
from study.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from study.tuning.verification import Verification

TOOL = "study.lr_range"
_SEEDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (trials failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to train")
    what.add_argument(
        "--ramps",
        metavar="NAME[,NAME...]",
        help=f"of {', '.join(lr_range.RAMPS)} (default: exponential)",
    )
    what.add_argument(
        "--loss",
        choices=lr_range.LOSSES,
        help="the loss that the rules read: training (default), validation or test",
    )
    commandline.add_request(what, _SEEDS)
    verify = parser.add_argument_group("verification of the suggestions")
    verify.add_argument(
        "--verify",
        action="store_true",
        help="train at 0.1, 1 and 10 times each suggestion, and score the rules",
    )
    verify.add_argument(
        "--verify-epochs",
        type=commandline.count,
        metavar="N",
        help="epochs of each such trial (3; budget paper: 10)",
    )
    verify.add_argument(
        "--grid",
        type=commandline.existing_folder,
        metavar="DIR",
        help="reuse the trials of an earlier run that differ only in learning rate and seed",
    )
    commandline.add_reuse(what)
    commandline.add_places(parser)
    commandline.add_resources(parser)
    return parser


def _train(options: argparse.Namespace, typed: Sequence[str]) -> int:
    commandline.refuse_with_resume(
        options,
        "--ramps",
        "--loss",
        "--budget",
        "--precision",
        "--seeds",
        "--set",
        "--verify",
        "--verify-epochs",
        "--grid",
        "--pack",
        "--reuse",
    )
    if options.resume:
        run = RunFolder.open(options.resume)
        run.check_tool(TOOL)
        request = Request.of_run(run.run)
        range_test = RangeTestOptions.from_json(run.run.options)
    else:
        request, range_test = _request(options), _range_test_options(options)
    ramps = request.plan()  # reports a wrong name or value before torch is imported
    resources = commandline.resource_request(options)
    place = options.resume or commandline.new_place(options, request.study, request.budget)
    with commandline.loading(request.study):
        verification = _verification(request, range_test, resumed=bool(options.resume))
        if verification is not None:
            verification.check(ramps)
        from study.pipeline import tune

    return tune(
        options,
        typed,
        tool=TOOL,
        request=request,
        resources=resources,
        command_options=range_test,
        place=place,
        follow_up=verification,
    )


def _request(options: argparse.Namespace) -> Request:
    names = "exponential" if options.ramps is None else options.ramps
    ramps = list(dict.fromkeys(names.split(",")))
    for name in ramps:
        if name not in lr_range.RAMPS:
            raise ConfigError(f"--ramps: {unknown_name(name, lr_range.RAMPS, 'ramp')}")
    choices = commandline.choices(options)
    if "schedule" in choices:
        raise ConfigError("--set schedule does not apply to ramps: choose them with --ramps")
    return Request(
        study=lr_range.study_name(options.loss or "train"),
        budget=options.budget or "quick",
        seeds=options.seeds or _SEEDS,
        choices=choices,
        grids=ramps,
        scheduler="none",
    )


def _range_test_options(options: argparse.Namespace) -> RangeTestOptions:
    loss = options.loss or "train"
    if not options.verify:
        for option in ("--verify-epochs", "--grid"):
            if commandline.is_given(options, option):
                raise ConfigError(f"{option} belongs to the verification: add --verify")
        return RangeTestOptions(
            loss=loss, pack=options.pack or "auto", reuse=commandline.reused_places(options)
        )
    epochs = lr_range.VERIFICATION_BUDGETS[options.budget or "quick"]["epochs"]
    return RangeTestOptions(
        loss=loss,
        pack=options.pack or "auto",
        verify_epochs=options.verify_epochs or epochs,
        verify_epochs_chosen=options.verify_epochs is not None,
        grid=str(options.grid.resolve()) if options.grid else None,
        reuse=commandline.reused_places(options),
    )


def _verification(
    request: Request, range_test: RangeTestOptions, *, resumed: bool
) -> Verification | None:
    if range_test.verify_epochs is None:
        return None
    grid = Path(range_test.grid) if range_test.grid else None
    if grid is not None and resumed and not grid.is_dir():
        grid = None  # resumed on another machine: train what was not adopted
    from study.tuning.verification import Verification

    return Verification(
        request=request,
        quantity=f"{range_test.loss}_loss",
        epochs=range_test.verify_epochs,
        epochs_chosen=range_test.verify_epochs_chosen,
        grid=grid,
    )


if __name__ == "__main__":
    sys.exit(main())
