"""Find a learning rate: the range test, read by every rule in use, and verified.

    python -m study.lr_range                              LeNet on MNIST; sgd, adamw and adam
    python -m study.lr_range --verify                     also train at the suggested rates
    python -m study.lr_range --ramps lambda,multistep --loss test        as CS5260 did
    python -m study.lr_range my_study.py                  a study of your own
    python -m study.lr_range --set model=softmax --set optimizer=momentum --set blow_up=10
    python -m study.lr_range --resume results/NAME        finish a run that was cut short

Each optimizer, ramp and seed is a trial. Ramps: exponential, linear, lambda, multistep.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from search_spaces.lr_range import LOSSES, RAMPS
from study import commandline
from study.api.range_test_job import SEEDS, TOOL, lr_range, resumed_range_test


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 (done), 1 (trials failed), 2 (bad input) or 130 (Ctrl-C)."""
    return commandline.run_command(_parser(), _train, arguments)


def _parser() -> commandline.Parser:
    parser = commandline.Parser(f"python -m {TOOL}", __doc__)
    what = parser.add_argument_group("what to train")
    what.add_argument(
        "study",
        nargs="?",
        help="a study of your own: FILE.py or package.module:STUDY (default: LeNet on MNIST)",
    )
    what.add_argument(
        "--ramps",
        metavar="NAME[,NAME...]",
        help=f"of {', '.join(RAMPS)} (default: exponential)",
    )
    what.add_argument(
        "--loss",
        choices=LOSSES,
        help="the loss that the rules read: training (default), validation or test",
    )
    commandline.add_request(what, SEEDS)
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
        "study",
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
    resources = commandline.resource_request(options)
    if options.resume:
        job = resumed_range_test(options.resume, data_dir=options.data_dir, resources=resources)
    else:
        job = lr_range(
            options.study,
            ramps=commandline.names(options.ramps) or "exponential",
            loss=options.loss or "train",
            budget=options.budget or "quick",
            seeds=options.seeds or SEEDS,
            settings=commandline.choices(options),
            verify=options.verify,
            verify_epochs=options.verify_epochs,
            grid=options.grid,
            pack=options.pack or "auto",
            reuse=options.reuse,
            results=options.results,
            storage=options.storage,
            data_dir=options.data_dir,
            resources=resources,
        )
    return commandline.train(job, TOOL, typed, dry_run=options.dry_run, log=options.log)


if __name__ == "__main__":
    sys.exit(main())
