"""Write the learning rates that the range tests of fastai, torch-lr-finder and Lightning suggest.

    python -m venv /tmp/range-tests
    /tmp/range-tests/bin/pip install fastai==2.8.12 torch-lr-finder==0.2.2 pytorch-lightning==2.6.6
    /tmp/range-tests/bin/python -m tests.golden.range_rules

The tools are no dependencies of the project: only this script needs them, in an environment of
their own. Each one runs its whole range test, with its own sweep, smoothing, end and trimming, on a
stand-in for a net whose losses are those of `range_curves`. The script writes the suggestions to
`range_rules.json` beside itself: null if the tool stopped with an error or had no answer. That file
holds the losses of the real curves, too, which the script keeps.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from importlib.metadata import version
from itertools import count
from typing import Any

import matplotlib
import numpy as np
import pytorch_lightning
import torch
import torch_lr_finder
from fastai.callback.schedule import SuggestionMethod
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from fastai.optimizer import SGD
from matplotlib import pyplot as plt
from pytorch_lightning.tuner import Tuner
from torch.utils.data import DataLoader, TensorDataset

from tests.golden.range_curves import ANSWERS, RangeCurve, range_curves

Answers = dict[str, float | None]
"""The learning rate by rule, named as in `study.analysis.range_rules`."""
_FASTAI = ("minimum", "steep", "valley", "slide")


class Losses:
    """A loss function that returns the losses of a curve, one a call."""

    def __init__(self, curve: RangeCurve) -> None:
        self.losses = torch.tensor(curve.losses)
        self.calls = count()

    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.losses[next(self.calls)] + 0 * outputs.sum()


def _batches(curve: RangeCurve) -> DataLoader:
    """Return a batch for each step of the ramp, in one epoch."""
    return DataLoader(
        TensorDataset(torch.zeros(len(curve.losses), 1), torch.zeros(len(curve.losses)))
    )


def _check(curve: RangeCurve, tool: str, lrs: list[float]) -> None:
    np.testing.assert_allclose(lrs, curve.lrs(tool)[: len(lrs)], rtol=1e-9)


def fastai(curve: RangeCurve) -> Answers:
    """Run `Learner.lr_find` with each of its suggestions."""
    answers: Answers = {}
    for name in _FASTAI:
        with tempfile.TemporaryDirectory() as folder:
            learner = Learner(
                DataLoaders(_batches(curve), _batches(curve)),
                torch.nn.Linear(1, 1),
                loss_func=Losses(curve),
                opt_func=SGD,
                path=folder,
            )
            try:
                found = learner.lr_find(
                    curve.first_lr,
                    curve.last_lr,
                    num_it=len(curve.losses),
                    show_plot=False,
                    suggest_funcs=getattr(SuggestionMethod, name.capitalize()),
                )
                answers[f"fastai {name}"] = found[0]
            except (IndexError, ValueError):
                answers[f"fastai {name}"] = None
        _check(curve, "fastai", learner.recorder.lrs)
    return answers


def lr_finder(curve: RangeCurve) -> Answers:
    """Run `LRFinder.range_test` and `plot`."""
    net = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(net.parameters(), curve.first_lr)
    finder = torch_lr_finder.LRFinder(net, optimizer, Losses(curve))
    finder.range_test(
        _batches(curve),
        end_lr=curve.last_lr,
        num_iter=len(curve.losses),
        step_mode="linear" if curve.linear else "exp",
    )
    _check(curve, "torch-lr-finder", finder.history["lr"])
    figure, axes = plt.subplots()
    try:
        suggestion = finder.plot(ax=axes)[1]
    except RuntimeError:
        suggestion = None
    plt.close(figure)
    return {"torch-lr-finder": suggestion}


class _Module(pytorch_lightning.LightningModule):
    def __init__(self, curve: RangeCurve) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)
        self.lr = curve.first_lr
        self.losses = Losses(curve)

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        return self.losses(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.lr)


def lightning(curve: RangeCurve) -> Answers:
    """Run `Tuner.lr_find`."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = pytorch_lightning.Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        found = Tuner(trainer).lr_find(
            _Module(curve),
            train_dataloaders=_batches(curve),
            min_lr=curve.first_lr,
            max_lr=curve.last_lr,
            num_training=len(curve.losses),
            mode="linear" if curve.linear else "exponential",
        )
    _check(curve, "Lightning", found.results["lr"])
    return {"Lightning": found.suggestion()}


def answers(curve: RangeCurve) -> Answers:
    """Return what each tool that can take this ramp answers."""
    return ({} if curve.linear else fastai(curve)) | lr_finder(curve) | lightning(curve)


def main() -> None:
    """Write the file."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.CRITICAL)
    matplotlib.use("Agg")
    found = {}
    for name, curve in range_curves().items():
        # The tools draw progress bars.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found[name] = answers(curve)
        print(name, found[name])
    tools = ("fastai", "torch-lr-finder", "pytorch-lightning", "torch")
    versions = json.dumps({name: version(name) for name in tools})
    real = json.loads(ANSWERS.read_text(encoding="utf-8"))["real"]
    ANSWERS.write_text(
        f'{{\n"versions": {versions},\n"answers": {_lines(found)},\n"real": {_lines(real)}\n}}\n',
        encoding="utf-8",
    )
    print(f"{ANSWERS}: {len(found)} curves")


def _lines(rows: dict[str, Any]) -> str:
    """Return a JSON object with a line per key."""
    return (
        "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in rows.items()) + "\n}"
    )


if __name__ == "__main__":
    main()
