"""Fleet: several runs of one architecture, batch size and loss, trained as one.

    from lenet import TrainConfig, datasets, fleet, training

    data = datasets.load("mnist")
    rates = (0.1, 0.01, 0.001)
    runs = [training.Run(TrainConfig(model="4ls", loss="mse", lr=lr), data) for lr in rates]
    for run, record in fleet.train(runs):
        print(run.config.lr, record.epoch, record.validation_accuracy)

In a small net, most of a step is the overhead of launching its operations. A fleet launches them
once for all members (Wang et al., "Horizontally Fused Training Array", MLSys 2021). Each member has
its own optimizer, rate, schedule, dropout masks, initial weights, order of samples and records.
They equal those of the same run trained alone, up to the order of sums. A member that diverges or
ends leaves the fleet.
"""

from __future__ import annotations

import copy
import functools
import itertools
import math
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lenet.evaluation import EVALUATION_BATCH, evaluate
from lenet.fused import FleetBatch, StackedModel, stack
from lenet.fused.batches import OrderedBatches
from lenet.fused.checks import check_fusable
from lenet.fused.replay import Capture, Replayed, cuda_graph
from lenet.fused.updates import Update, update_key
from lenet.records import Record
from lenet.samples import AnySamples, Samples
from lenet.training import CHECK_EVERY, Run

# Rows with the same order of samples share each batch and the first layer's product. Sharing pays
# if there are, on average, at least this many rows per order.
_ROWS_PER_ORDER = 2


def train(runs: Sequence[Run]) -> Iterator[tuple[Run, Record]]:
    """Train `runs` to their ends as a fleet, yielding each record with its run.

    Raises: Unfusable if they cannot be trained as one; nothing has been trained then.
    """
    fleet = Fleet(runs)
    while not fleet.finished:
        yield from fleet.advance()


class Fleet:
    """Runs that are trained as one.

    A run's `train_seconds` are its share of the fleet's: the seconds of each step, divided by the
    number of members that take it.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        """Take over `runs`, which are at the same step.

        Raises: Unfusable if their settings `ALIKE`, devices or steps differ, or if their model
        cannot be stacked.
        """
        check_fusable(runs)
        samples = runs[0].train_samples
        assert isinstance(samples, Samples)
        self._samples = samples
        self._length = runs[0].length
        self._device = runs[0].device
        self._step = runs[0].step
        stack([runs[0].model], runs[0].loss).check(self._samples[:2])
        self._last_record = dict.fromkeys(runs, self._step)
        self._seconds = dict.fromkeys(runs, 0.0)
        self._build([run for run in runs if not run.finished])

    @property
    def finished(self) -> bool:
        """Whether no member is left."""
        return not self._runs

    @property
    def step(self) -> int:
        """The steps that all members have taken."""
        return self._step

    @property
    def resumable(self) -> bool:
        """Whether the members' states are complete, because each has just recorded.

        Between two records, only the fleet has the sums of a member's losses.
        """
        return all(self._last_record[run] == self._step for run in self._runs)

    def advance(self) -> list[tuple[Run, Record]]:
        """Train to the next record of any member; return all that are due, with their runs.

        Between two calls, `state_dict` of each run may be saved if the fleet is `resumable`.
        """
        while True:
            self.train_to(self._next_stop())
            if due := self._due():
                return self._record(due)

    def state_dict(self, run: Run) -> dict[str, Any]:
        """Return what a `Run` of the same config, alone or in a fleet, needs to continue."""
        if run in self._runs:
            self._export_state(run)
        state = run.state_dict()
        # Saving a view would save the weights of all members with it.
        return state | {"model": {name: value.clone() for name, value in state["model"].items()}}

    def _build(self, runs: Sequence[Run]) -> None:
        """Stack `runs`, sorted so that neighboring rows share updates and batches."""
        self._runs = sorted(runs, key=lambda run: (repr(update_key(run.config)), _order_key(run)))
        if not self._runs:
            return
        self._model: StackedModel = stack([run.model for run in self._runs], self._runs[0].loss)
        self._updates: list[tuple[slice, Update]] = []
        for span in _spans([update_key(run.config) for run in self._runs]):
            configs = [run.config for run in self._runs[span]]
            update = Update(configs, span, self._model.weights, self._model.gradients)
            self._import_state(self._runs[span], update)
            self._updates.append((span, update))
        self._link_weights()
        self._order_spans = _spans([_order_key(run) for run in self._runs])
        self._distinct = 1 < len(self._runs) < _ROWS_PER_ORDER * len(self._order_spans)
        self._order_of_row = torch.tensor(
            [n for n, span in enumerate(self._order_spans) for _ in range(span.start, span.stop)],
            device=self._device,
        )
        self._batches = OrderedBatches(
            self._samples,
            self._length,
            [self._runs[span.start].config for span in self._order_spans],
        )
        self._constant_rates: tuple[list[list[float]], Tensor] | None = None
        if all(run.config.schedule == "constant" for run in self._runs):
            self._constant_rates = self._rates(0, 1)
        self._replayed = Replayed(
            self._train_on,
            self._length.batch_size,
            self._capture(),
            same_batch=self._length.full_batch,
        )
        self._loss_sums = torch.zeros(len(self._runs), device=self._device)
        self._lowest = torch.full_like(self._loss_sums, math.inf)
        self._highest = torch.full_like(self._loss_sums, -math.inf)
        self._correct = torch.zeros(len(self._runs), dtype=torch.int64, device=self._device)

    def _capture(self) -> Capture | None:
        """Return the function that records steps for replay; None if steps are not recorded.

        Steps with dropout are not recorded, because no test here has compared the masks of a
        recorded step with the masks of a run alone.
        """
        if self._device.type != "cuda" or any(run.config.dropout for run in self._runs):
            return None
        return cuda_graph

    def _link_weights(self) -> None:
        """Make the weights of each run's model views of its rows, so that they stay up to date."""
        named = self._model.named(self._model.weights)
        for row, run in enumerate(self._runs):
            for name, parameter in run.model.named_parameters():
                if name in named:
                    parameter.data = named[name][row]

    def _import_state(self, runs: Sequence[Run], update: Update) -> None:
        """Take over the state of the optimizers of `runs`, which share `update`."""
        states = [_optimizer_state(run) for run in runs]
        first = states[0]
        name, keys = next(((name, state) for name, state in first.items() if state), ("", {}))
        shape = dict(runs[0].model.named_parameters())[name].shape if name else None
        update.state = {
            key: (
                self._model.stacked([{n: own[n][key] for n in own} for own in states])
                if isinstance(value, Tensor) and value.shape == shape
                else [copy.deepcopy(value) for _ in self._model.weights]
            )
            for key, value in keys.items()
        }
        group = runs[0].optimizer.param_groups[0]
        update.settings = {name: group[name] for name in update.settings}

    def _export_state(self, run: Run) -> None:
        """Give `run` the state of its optimizer."""
        row = self._runs.index(run)
        span, update = next((s, u) for s, u in self._updates if s.start <= row < s.stop)
        state: dict[str, dict[str, Any]] = {}
        for key, tensors in update.state.items():
            if isinstance(tensors[0], Tensor) and tensors[0].dim() == 2:
                values = self._model.named(tensors)
                for name, rows in values.items():
                    state.setdefault(name, {})[key] = rows[row - span.start].clone()
            else:
                for name in self._model.named(self._model.weights):
                    state.setdefault(name, {})[key] = copy.deepcopy(tensors[0])
        for name, parameter in run.model.named_parameters():
            if name in state:
                run.optimizer.state[parameter] = state[name]
        run.optimizer.param_groups[0].update(update.settings)

    def _next_stop(self) -> int:
        """Return the next step at which a member records or losses are checked to be finite."""
        records = (run.length.next_record(self._last_record[run]) for run in self._runs)
        return min((self._step // CHECK_EVERY + 1) * CHECK_EVERY, *records)

    def train_to(self, last_step: int) -> None:
        """Train to `last_step`, which must not lie beyond the next record of any member."""
        self._runs[0].synchronize()
        started = time.perf_counter()
        first = self._step
        rates, on_device = self._rates(first, last_step)
        for step in range(first, last_step):
            of_step = 0 if self._constant_rates else step - first
            inputs, targets = self._batches.at(step)
            self._replayed(inputs, targets, on_device[of_step])
            for span, update in self._updates:
                if not update.replayable:
                    update.step(on_device[of_step, span], rates[of_step][span.start])
            self._step += 1
        self._runs[0].synchronize()
        share = (time.perf_counter() - started) / len(self._runs)
        for run in self._runs:
            self._seconds[run] += share

    def _train_on(self, inputs: Tensor, targets: Tensor, rates: Tensor) -> None:
        """Do the work that is the same in every step (see `Replayed`). rates: (members, 1)."""
        batch = self._batch(inputs, targets)
        loss, correct = self._model.backward(batch)
        for span, update in self._updates:
            if update.replayable:
                update.step(rates[span], math.nan)
        self._loss_sums.add_(loss, alpha=self._runs[0].loss.weight(batch.size))
        torch.minimum(self._lowest, loss, out=self._lowest)
        torch.maximum(self._highest, loss, out=self._highest)
        self._correct.add_(correct)

    def _rates(self, first: int, last: int) -> tuple[list[list[float]], Tensor]:
        """Return the learning rates of the steps from `first` up to, but not including, `last`.

        Returns: lists by step and member, and a tensor (steps, members, 1) on the device, which
        takes one transfer for all steps. Constant rates are returned for a single step.
        """
        if self._constant_rates:
            return self._constant_rates
        rates = torch.tensor(
            [[run.learning_rate(step) for run in self._runs] for step in range(first, last)]
        ).to(self._model.weights[0].dtype)
        return rates.tolist(), rates.unsqueeze(2).to(self._device)

    def _batch(self, inputs: Tensor, targets: Tensor) -> FleetBatch:
        """Return the batch of every member.

        inputs: (orders, size, ...). targets: (orders, size).
        """
        size = targets.shape[1]
        if self._distinct:
            part = Samples(inputs, targets)
            if len(self._order_spans) < len(self._runs):
                part = part[self._order_of_row]
            return FleetBatch([part], [slice(0, len(self._runs))], size, distinct=True)
        parts = [Samples(*pair) for pair in zip(inputs, targets, strict=True)]
        return FleetBatch(parts, self._order_spans, size)

    def _due(self) -> list[int]:
        """Return the rows whose record is due, or whose loss is found not to be finite."""
        due = [
            row
            for row, run in enumerate(self._runs)
            if run.length.next_record(self._last_record[run]) == self._step
        ]
        if self._step % CHECK_EVERY == 0:
            due += (~self._loss_sums.isfinite()).nonzero().flatten().tolist()
        return sorted(set(due))

    def _record(self, due: Sequence[int]) -> list[tuple[Run, Record]]:
        """Return the records of the rows `due`; runs that end with theirs leave the fleet."""
        losses, correct = self._loss_sums.tolist(), self._correct.tolist()
        lowest, highest = self._lowest.tolist(), self._highest.tolist()
        evaluate_split = self._evaluator(len(due))
        records = []
        for row in due:
            run = self._runs[row]
            first = self._last_record[run]
            run.step = self._step
            run.diverged = not math.isfinite(losses[row])
            run.optimizer.param_groups[0]["lr"] = run.learning_rate(self._step - 1)
            samples = run.length.samples_after(self._step) - run.length.samples_after(first)
            weight = self._step - first if run.loss.summed else samples
            record = run.record(
                first,
                {
                    "train_loss": losses[row] / weight,
                    "lowest_train_loss": lowest[row],
                    "highest_train_loss": highest[row],
                },
                correct[row],
                self._seconds[run],
                functools.partial(evaluate_split, row),
            )
            records.append((run, record))
            self._last_record[run] = self._step
            self._seconds[run] = 0.0
        rows = torch.tensor(list(due), device=self._device)
        self._loss_sums[rows] = 0.0
        self._lowest[rows], self._highest[rows] = math.inf, -math.inf
        self._correct[rows] = 0
        if ended := {run for run, _ in records if run.finished}:
            self.remove(ended)
        return records

    def _evaluator(self, due: int) -> Callable[[int, str, AnySamples], tuple[float, float]]:
        """Return a function of row, split and samples that returns the row's (loss, accuracy).

        If most members are due, all are evaluated at once.
        """
        if 2 * due < len(self._runs):
            return lambda row, _, data: evaluate(self._runs[row].model, self._runs[row].loss, data)
        results: dict[str, tuple[list[float], list[float]]] = {}

        def evaluate_row(row: int, split: str, data: AnySamples) -> tuple[float, float]:
            if split not in results:
                results[split] = self._evaluate(data)
            losses, accuracies = results[split]
            return losses[row], accuracies[row]

        return evaluate_row

    def _evaluate(self, data: AnySamples) -> tuple[list[float], list[float]]:
        """Return each member's loss and accuracy, as `lenet.evaluation.evaluate` does of one."""
        loss_function = self._runs[0].loss
        losses = torch.zeros(len(self._runs), dtype=torch.float64, device=self._device)
        correct = torch.zeros(len(self._runs), dtype=torch.int64, device=self._device)
        for batch in data.batches(EVALUATION_BATCH):
            loss, right = self._model.evaluate(batch)
            losses += loss * loss_function.weight(len(batch))
            correct += right
        size = 1 if loss_function.summed else len(data)
        # Divided outside torch, which gives shares of whole numbers in single precision.
        return (losses / size).tolist(), [count / len(data) for count in correct.tolist()]

    def remove(self, leaving: Collection[Run]) -> None:
        """Remove runs, each with its own weights; the others go on as before, in fewer rows."""
        rows = [row for row, run in enumerate(self._runs) if run not in leaving]
        left = [self._runs[row] for row in rows]
        sums = (self._loss_sums, self._lowest, self._highest, self._correct)
        of_run = {run: [of[row] for of in sums] for run, row in zip(left, rows, strict=True)}
        for run in self._runs:
            self._export_state(run)
            for parameter in run.model.parameters():
                parameter.data = parameter.data.clone()
        self._build(left)
        for row, run in enumerate(self._runs):
            sums = (self._loss_sums, self._lowest, self._highest, self._correct)
            for of, value in zip(sums, of_run[run], strict=True):
                of[row] = value


def _order_key(run: Run) -> tuple[int, bool]:
    """Return a key that is equal for runs with the same order of samples."""
    return (0, False) if run.length.full_batch else (run.config.seed, run.config.shuffle)


def _spans(keys: Sequence[Hashable]) -> list[slice]:
    """Return the longest slices of equal neighboring keys."""
    spans, start = [], 0
    for _, group in itertools.groupby(keys):
        stop = start + len(list(group))
        spans.append(slice(start, stop))
        start = stop
    return spans


def _optimizer_state(run: Run) -> dict[str, dict[str, Any]]:
    """Return the state of the optimizer of `run` by the names of the parameters that it trains."""
    named = run.model.named_parameters()
    return {name: run.optimizer.state[p] for name, p in named if p.requires_grad}
