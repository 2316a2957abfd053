"""The training loop: one step, a run, and the records that it yields.

    from lenet import TrainConfig, datasets, training

    run = training.Run(TrainConfig(optimizer="sgd", lr=0.1), datasets.load("digits"))
    for record in training.train(run):
        print(record.epoch, record.validation_accuracy)

A plain script, a Tune trial and a data-parallel worker all iterate over `train`. A worker gives its
`Run` a `Replica`, and `lenet.data_parallel` does everything that needs more than one process. The
step is the same for all of them.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import ALONE, Replica, distribute, span_of, take_shard
from lenet.datasets import Dataset
from lenet.evaluation import evaluate, predict
from lenet.losses import build_loss, count_correct
from lenet.metrics import build_metrics
from lenet.models import build_model
from lenet.optimizers import build_optimizer
from lenet.records import Record
from lenet.run_length import RunLength
from lenet.samples import AnySamples, MapSamples, Samples
from lenet.schedules import learning_rate
from lenet.seeds import stream_seed
from lenet.step_clock import NO_CLOCK, StepClock

# Steps between checks that the loss is finite. A check makes the CPU wait for a GPU. The interval
# counts steps, not seconds, so that records are deterministic.
CHECK_EVERY = 100

# Decay of the smoothed training loss per step: a mean over about ten steps, so that a single hard
# batch is no blow-up.
_SMOOTHING = 0.9


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    samples: Samples,
    precision: contextlib.AbstractContextManager[object],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Update the weights from one batch; return its (loss, number of correct answers).

    The forward pass is in the context `precision`, and the backward pass uses the same formats.

    Both are scalars on the device: reading them here would make the CPU wait for a GPU.
    """
    # `optimizer.zero_grad` also opens a profiler range, which takes 3 % of a small net's step.
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None
    with precision:
        outputs = model(samples.inputs)
        loss = loss_function(outputs, samples.targets)
    correct = count_correct(outputs, samples.targets)
    loss.backward()
    optimizer.step()
    return loss.detach(), correct


class Run:
    """The state of one training run: weights, optimizer, position, random state, seconds.

    Runs in one process do not affect each other's random state. `state_dict` after a record and
    `load_state_dict` into a new `Run` of the same config continue with the same records.

    In a data-parallel run, each worker has a `Run` of the same config with its own `replica`, and
    all advance together. Batches, their order, dropout masks and updates are those of one worker.
    So are the records, up to the order of sums, and they are the same in all workers.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        device: torch.device | str = "cpu",
        replica: Replica = ALONE,
        clock: StepClock = NO_CLOCK,
    ) -> None:
        """Prepare a run of `config` from its first step.

        The run's own config names `dataset`, whatever `config` says, so that records never name
        other data than they come from. `clock` times the steps. All workers of a data-parallel run
        must create their `Run` at the same time.

        Raises: ConfigError if the config does not fit the data set, or if its model does not work
        with several workers or GPUs.
        """
        if dataset.name != config.dataset:
            known = dataset.name in registry.DATASETS or registry.is_own(dataset.name)
            config = config.replace(dataset=dataset.name if known else registry.OWN_DATA)
        self.config = config
        self.device = torch.device(device)
        self.replica = replica
        self.clock = clock
        dataset = dataset.to(self.device)
        self.train_samples, self.validation_samples = dataset.split(config)
        self.test_samples = dataset.test
        self.input_shape = dataset.input_shape
        self.classes = dataset.classes
        self.length = RunLength(config, len(self.train_samples))

        self._dropout_generator = torch.Generator(self.device)
        self._dropout_generator.manual_seed(stream_seed(config.seed, "dropout"))
        model = build_model(
            config.model,
            input_shape=dataset.input_shape,
            classes=dataset.classes,
            dropout=config.dropout,
            width=config.width,
            seed=stream_seed(config.seed, "weights"),
            generator=self._dropout_generator,
            own=config.keywords_of("model"),
        )
        self.model = model.to(self.device)
        if len(dataset.input_shape) == 3:
            # Convolutions this narrow are fastest in the channels-last memory format.
            self.model = self.model.to(memory_format=torch.channels_last)
        self.loss = build_loss(config)
        self.metrics = build_metrics(config)
        self.optimizer = build_optimizer(config, self.model.parameters())
        self.forward = distribute(self.model, self.optimizer, config, replica, clock)
        if config.clip_norm is not None:
            # After `distribute`: the gradients are then those of the whole batch.
            self.optimizer.register_step_pre_hook(self._clip_gradients)
        self.learning_rate = learning_rate(
            config, self.length.steps_per_epoch, self.length.total_steps
        )
        self._precision: contextlib.AbstractContextManager[object] = (
            torch.autocast(self.device.type, torch.bfloat16)
            if config.precision == "bf16"
            else contextlib.nullcontext()
        )
        self._classifies = dataset.classifies
        self._check_loss(dataset.source)

        self.step = 0
        self.train_seconds = 0.0
        self.diverged = False
        self.blown_up = False
        self._smoothed_loss: float | None = None
        self._lowest_loss = math.inf
        self._order = Order(config, self.length, self.device)
        self._steps: Iterator[Samples] | None = None

    def _clip_gradients(self, *_: object) -> None:
        assert self.config.clip_norm is not None
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)

    def _check_loss(self, source: str) -> None:
        if registry.is_own(self.config.loss) or self.config.loss == "mse":
            return
        fits = [k for k in registry.LOSSES if (k in registry.REGRESSIONS) != self._classifies]
        if self.config.loss not in fits:
            data, name = "the data", self.config.dataset
            if registry.is_own(name):
                data = f"dataset={name} ({source})"
            targets, remedy = "classes", ""
            if not self._classifies:
                targets = "the values of a regression"
                remedy = (
                    " or mse; or, if they are classes, return whole numbers: targets.long(), or "
                    "targets.argmax(1) for one-hot rows"
                )
            raise ConfigError(
                f"loss={self.config.loss} does not fit {data}, whose targets are {targets}: use "
                f"loss={' or '.join(fits)}{remedy}"
            )

    @property
    def finished(self) -> bool:
        return self.diverged or self.blown_up or self.step >= self.length.total_steps

    def state_dict(self) -> dict[str, Any]:
        """Return what a new `Run` of the same config needs to continue from here.

        It is the same in all workers, and fits any number of workers.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "device": self.device.type,
            "dropout_draws": self._dropout_generator.get_state(),
            "step": self.step,
            "train_seconds": self.train_seconds,
            "diverged": self.diverged,
            "blown_up": self.blown_up,
            "smoothed_loss": self._smoothed_loss,
            "lowest_loss": self._lowest_loss,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`.

        Raises: ValueError if it is from another kind of device, which gives different records.
        """
        if state["device"] != self.device.type:
            raise ValueError(f"the state is of a run on {state['device']}, not {self.device.type}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._dropout_generator.set_state(state["dropout_draws"].cpu())
        self.step = state["step"]
        self.train_seconds = state["train_seconds"]
        self.diverged = state["diverged"]
        self.blown_up = state["blown_up"]
        self._smoothed_loss = state["smoothed_loss"]
        self._lowest_loss = state["lowest_loss"]

    def advance(self) -> Record:
        """Train to the next record, evaluate, and return the record."""
        first_step = self.step
        losses, correct, seconds = self._train_to(self.length.next_record(self.step))
        return self.record(first_step, losses, correct, seconds, self._evaluate)

    def record(
        self,
        first_step: int,
        losses: Mapping[str, float],
        correct: int,
        seconds: float,
        evaluate_split: Callable[[str, AnySamples], tuple[float, float]],
    ) -> Record:
        """Return the record of the present step, and evaluate what is due.

        `losses` (by the field of `Record`), `correct` and `seconds` are over the steps since
        `first_step`. `evaluate_split` returns the (loss, accuracy) on the samples of a split, by
        its name.
        """
        train_loss = losses["train_loss"]
        self.train_seconds += seconds
        steps = self.step - first_step
        self._check_blow_up(train_loss, steps)
        held_out = {} if self.diverged else self._held_out(evaluate_split)
        if not all(map(math.isfinite, held_out.values())):
            # The last step itself diverged: its training loss is from before the update.
            self.diverged, held_out = True, {}
        total_samples = self.length.samples_after(self.step)
        samples = total_samples - self.length.samples_after(first_step)
        return Record(
            step=self.step,
            epoch=total_samples / len(self.train_samples),
            samples=total_samples,
            lr=self.optimizer.param_groups[0]["lr"],
            **losses,
            train_accuracy=correct / samples if self._classifies else math.nan,
            train_seconds=self.train_seconds,
            samples_per_second=samples / seconds,
            steps_per_second=steps / seconds,
            diverged=self.diverged,
            observed=self._observed(),
            metrics={} if self.diverged else self._measured(),
            **held_out,
        )

    def _train_to(self, last_step: int) -> tuple[dict[str, float], int, float]:
        """Train up to `last_step` or divergence.

        Returns: the losses by the field of `Record`, the number of correct answers, the seconds.
        """
        step_losses: list[torch.Tensor] = []
        loss_sum = torch.zeros((), device=self.device)
        correct = torch.zeros((), dtype=torch.int64, device=self.device)
        weight = 0
        self.model.train()
        self.synchronize()
        # Otherwise the seconds would include the rest of other workers' evaluation.
        self.replica.barrier()
        started = time.perf_counter()
        self.clock.begin()
        while self.step < last_step and not self.diverged:
            batch_loss, batch_correct, batch_size = self.train_step()
            batch_weight = self.loss.weight(batch_size)
            step_losses.append(batch_loss)
            loss_sum += batch_loss * batch_weight
            correct += batch_correct
            weight += batch_weight
            if self.step % CHECK_EVERY == 0:
                self.diverged = not math.isfinite(self.replica.sum(loss_sum.clone()).item())
            self.clock.end_step()
        self.synchronize()
        seconds = time.perf_counter() - started
        train_loss = self.replica.sum(loss_sum).item() / weight
        self.diverged = not math.isfinite(train_loss)
        lowest, highest = self.replica.sum(torch.stack(step_losses)).aminmax()
        losses = {
            "train_loss": train_loss,
            "lowest_train_loss": lowest.item(),
            "highest_train_loss": highest.item(),
        }
        return losses, int(self.replica.sum(correct).item()), seconds

    def train_step(self) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Train on the next batch; return its (loss, number of correct answers, samples).

        In a data-parallel run, each worker returns its part of the loss and of the correct answers.
        """
        lr = self.learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        batch = self._order.batch(self.step)
        shard = take_shard(self.replica, self.model, self.loss, len(batch))
        if isinstance(self.train_samples, Samples):
            # A slice of the samples is not copied.
            selection = shard.span if self.length.full_batch else batch[shard.span]
            samples = self.train_samples[selection]
        else:
            samples = self._read_ahead(self.train_samples)
        self.step += 1
        self.clock.lap("data")
        loss, correct = training_step(
            self.forward, self.optimizer, shard.loss, samples, self._precision
        )
        return loss, shard.count(correct), len(batch)

    def _read_ahead(self, samples: MapSamples) -> Samples:
        """Return this worker's samples of the next step; worker processes read ahead of it."""
        if self._steps is None:
            self._steps = samples.steps(self._shards())
        return next(self._steps)

    def _shards(self) -> Iterator[tuple[int, torch.Tensor]]:
        """Yield, for each step to come, the seed of its augmentation and this worker's samples."""
        order = Order(self.config, self.length, torch.device("cpu"))
        for step in range(self.step, self.length.total_steps):
            batch = order.batch(step)
            span = span_of(self.replica, self.model, len(batch))
            epoch = step // self.length.steps_per_epoch
            yield stream_seed(self.config.seed, "augment", epoch), batch[span]

    def _check_blow_up(self, train_loss: float, steps: int) -> None:
        """Update the smoothed loss by the mean of the last `steps` steps and check its rise."""
        if self._smoothed_loss is None:
            self._smoothed_loss = train_loss
        decay = _SMOOTHING**steps
        self._smoothed_loss = decay * self._smoothed_loss + (1 - decay) * train_loss
        self._lowest_loss = min(self._lowest_loss, self._smoothed_loss)
        limit = self.config.blow_up
        self.blown_up = limit is not None and self._smoothed_loss > limit * self._lowest_loss

    def _held_out(
        self, evaluate_split: Callable[[str, AnySamples], tuple[float, float]]
    ) -> dict[str, float]:
        """Return the held-out losses and accuracies that are due, by the field of `Record`."""
        results = {}
        for split, samples in self._due_splits().items():
            results[f"{split}_loss"], accuracy = evaluate_split(split, samples)
            if self._classifies:
                results[f"{split}_accuracy"] = accuracy
        return results

    def _due_splits(self) -> dict[str, AnySamples]:
        """Return the held-out samples that the record of this step evaluates, by split."""
        last = self.blown_up or self.step == self.length.total_steps
        if not last and not self.length.evaluates_at(self.step):
            return {}
        splits = {"validation": self.validation_samples} if len(self.validation_samples) else {}
        if self.config.test_curve or (last and self.config.test_at_end):
            splits["test"] = self.test_samples
        return splits

    def _measured(self) -> dict[str, float]:
        """Return the user's metrics that are due, such as `validation_r2`."""
        if not self.metrics:
            return {}
        measured = {}
        for split, samples in self._due_splits().items():
            outputs, targets = predict(self.model, samples, self.replica)
            for metric in self.metrics:
                measured[f"{split}_{metric.name}"] = metric.measure(outputs, targets)
        return measured

    def _evaluate(self, split: str, samples: AnySamples) -> tuple[float, float]:
        return evaluate(self.model, self.loss, samples, self.replica)

    def _observed(self) -> dict[str, float]:
        observed: Mapping[str, float] = getattr(self.model, "observed", dict)()
        return {str(name): float(value) for name, value in observed.items()}

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def train(run: Run) -> Iterator[Record]:
    """Train `run` to its end, yielding records. Between two, `run.state_dict()` may be saved."""
    while not run.finished:
        yield run.advance()


class Order:
    """The samples of each step of a run.

    The order of an epoch depends only on the seed and the epoch; full batches have a fixed order.
    Resumed runs and the workers of a data-parallel run agree on it without shared state.
    """

    def __init__(self, config: TrainConfig, length: RunLength, device: torch.device) -> None:
        self._config = config
        self._length = length
        self._device = device
        self._order = torch.empty(0)
        self._epoch = -1

    def batch(self, step: int) -> torch.Tensor:
        """Return the samples of the step after `step` steps, int64 (batch,)."""
        epoch, position = divmod(step, self._length.steps_per_epoch)
        if self._length.full_batch:
            epoch = 0
        if epoch != self._epoch:
            order = sample_order(self._config, epoch, self._length)
            self._order = order.to(self._device)
            self._epoch = epoch
        size = self._length.batch_size
        return self._order[position * size : (position + 1) * size]


def sample_order(config: TrainConfig, epoch: int, length: RunLength) -> torch.Tensor:
    """Return the order of the samples of `epoch` (from 0), int64 (samples,), on the CPU."""
    samples = length.train_samples
    if length.full_batch:
        return torch.arange(samples)
    seed = stream_seed(config.seed, "order", epoch if config.shuffle else 0)
    return torch.randperm(samples, generator=torch.Generator().manual_seed(seed))
