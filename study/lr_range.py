"""Find a learning rate: the range test, read by every rule in use, and tried.

    python -m study.lr_range                              LeNet on MNIST; sgd, adamw and adam
    python -m study.lr_range --verify                     and train at what the rules suggest
    python -m study.lr_range --ramps lambda,multistep --loss test        as CS5260 did
    python -m study.lr_range --set model=softmax --set optimizer=momentum --set blow_up=10
    python -m study.lr_range --resume results/NAME        finish a run that was cut short

Each optimizer, ramp and seed is a trial. Ramps: exponential, linear, lambda, multistep.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lenet.config import ConfigError, nearest
from search_spaces import lr_range
from study import commandline
from study.request import Question
from study.runs.run_folder import RunFolder
from study.tuning.verification import Verification

TOOL = "study.lr_range"
_SEEDS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code (0 done, 1 trials failed, 2 bad input, 130 Ctrl-C)."""
    return commandline.run(_parser(), _launch, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what is trained")
    what.add_argument(
        "--ramps",
        metavar="NAME[,NAME...]",
        help=f"of {', '.join(lr_range.RAMPS)} (default: exponential)",
    )
    what.add_argument(
        "--loss",
        choices=lr_range.LOSSES,
        help="the loss looked at: of the training batches (default), validation or test data",
    )
    commandline.add_question(what, _SEEDS)
    verify = parser.add_argument_group("whether the suggestions are any good")
    verify.add_argument(
        "--verify",
        action="store_true",
        help="train at a tenth, at and at ten times each suggestion, and score the rules",
    )
    verify.add_argument(
        "--verify-epochs",
        type=commandline.count,
        metavar="N",
        help="for so many epochs (3; budget paper: 10)",
    )
    verify.add_argument(
        "--grid",
        type=commandline.existing_folder,
        metavar="DIR",
        help="count in the trials of an earlier run that differ in the learning rate alone",
    )
    commandline.add_places(parser)
    commandline.add_machine(parser)
    return parser


def _launch(options: argparse.Namespace, typed: Sequence[str]) -> int:
    command = commandline.line(TOOL, typed)
    commandline.refuse_with_resume(
        options,
        *("--ramps", "--loss", "--budget", "--seeds", "--set", "--results", "--storage"),
        *("--verify", "--verify-epochs", "--grid"),
    )
    if options.resume:
        folder = RunFolder.open(options.resume)
        folder.check_tool(TOOL)
        question, asked = Question.of_run(folder.run), folder.run["asked"]
    else:
        question, asked = _question(options), _asked(options)
    machine = commandline.machine(options)
    # A wrong name or value is said before torch, which takes seconds to import.
    plan = question.plan()
    verification = _verification(question, asked, resumed=bool(options.resume))
    if verification is not None:
        verification.check(plan)
    from study.tuning import execution
    from study.tuning import plan as launch

    if options.resume:
        started = launch.resumed_launch(
            options.resume, machine, options.data_dir, command, then=verification
        )
    else:
        started = launch.new_launch(
            question,
            machine,
            commandline.results(options, question.study, question.budget),
            options.data_dir,
            command,
            tool=TOOL,
            asked=asked,
            then=verification,
        )
    console = Console(highlight=False, soft_wrap=True)
    return execution.execute(started, console, dry_run=options.dry_run)


def _question(options: argparse.Namespace) -> Question:
    named = "exponential" if options.ramps is None else options.ramps
    ramps = list(dict.fromkeys(named.split(",")))
    for name in ramps:
        if name not in lr_range.RAMPS:
            raise ConfigError(nearest(name, lr_range.RAMPS, "ramp"))
    choices = commandline.choices(options.set)
    if "schedule" in choices:
        raise ConfigError("--set schedule is not for ramps: choose them with --ramps")
    return Question(
        study=lr_range.study_of(options.loss or "train"),
        budget=options.budget or "quick",
        seeds=options.seeds or _SEEDS,
        choices=choices,
        grids=ramps,
        scheduler="none",
    )


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What is to be done after the ramps, as it lies in `run.json`."""
    if not options.verify:
        for name in ("--verify-epochs", "--grid"):
            if getattr(options, name.strip("-").replace("-", "_")):
                raise ConfigError(f"{name} is about the verification: type --verify, too")
        return {"loss": options.loss or "train"}
    epochs = lr_range.VERIFIED[options.budget or "quick"]["epochs"]
    return {
        "loss": options.loss or "train",
        "verify_epochs": options.verify_epochs or epochs,
        "grid": str(options.grid.resolve()) if options.grid else None,
    }


def _verification(
    question: Question, asked: Mapping[str, Any], *, resumed: bool
) -> Verification | None:
    if "verify_epochs" not in asked:
        return None
    grid = Path(asked["grid"]) if asked["grid"] else None
    if grid is not None and resumed and not grid.is_dir():
        grid = None  # resumed on another machine: what was not adopted is trained
    return Verification(
        question=question,
        quantity=f"{asked['loss']}_loss",
        epochs=asked["verify_epochs"],
        grid=grid,
    )


if __name__ == "__main__":
    sys.exit(main())
