"""The one training loop.

    from lenet import TrainConfig, datasets, training

    run = training.Run(TrainConfig(optimizer="sgd", lr=0.1), datasets.load("digits"))
    for record in training.train(run):
        print(record.epoch, record.validation_accuracy)

A plain script, a Tune trial and a data-parallel worker all iterate over `train`; the last gives
its `Run` a `Replica` that says which of the workers it is.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.data_parallel import ALONE, Replica, check_learns_alike
from lenet.datasets import Dataset, Samples
from lenet.loading import load_class
from lenet.losses import Loss, count_right
from lenet.models import build_model
from lenet.models.dropout import share_masks
from lenet.optimizers import build_optimizer
from lenet.records import Record
from lenet.schedules import learning_rate
from lenet.step_clock import StepClock

# How often a run looks whether its loss is still finite, in steps. Looking makes a GPU
# wait for its queue; being a fixed number of steps, it keeps the records deterministic.
_STEPS_BETWEEN_CHECKS = 100
_EVALUATION_BATCH = 500

# How much of the smoothed training loss is left after one more step: a loss is said to blow up
# by the mean over some ten batches, not by a single one that is hard.
_SMOOTHING = 0.9


def stream_seed(seed: int, *purpose: str | int) -> int:
    """A seed for one purpose of one run; different purposes share no random numbers."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")


def training_step(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Loss,
    inputs: torch.Tensor,
    targets: torch.Tensor,
    *,
    replica: Replica = ALONE,
    batch_samples: int | None = None,
    clock: StepClock | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One update on one batch; (its loss, number of right answers), both scalars that stay on
    the device: reading them here would make it wait.

    With several workers, `inputs` and `targets` are this one's shard of a batch of
    `batch_samples`, the update is that of the whole batch, and so are the loss and the number.
    """
    samples = batch_samples or len(targets)
    if replica.workers > 1:
        share_masks(model, samples, replica.shard(samples) if len(targets) else slice(0, 1))
    optimizer.zero_grad(set_to_none=True)
    if len(targets) or replica.workers == 1:
        outputs = model(inputs)
        loss = loss_function(outputs, targets)
        loss.backward()
        with torch.no_grad():
            right = count_right(outputs, targets)
        loss = loss.detach()
    else:  # the batch has fewer samples than there are workers
        with torch.no_grad():  # for the masks that the others draw, too
            model(inputs.new_zeros((1, *inputs.shape[1:])))
        loss = torch.zeros((), device=inputs.device)
        right = torch.zeros((), dtype=torch.int64, device=inputs.device)
    if clock:
        clock.lap("compute")
    if replica.workers > 1:
        share = 1.0 if loss_function.summed else len(targets) / samples
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        loss, right = replica.sum_gradients(
            parameters, share, torch.stack([loss * share, right.to(loss.dtype)])
        )
        right = right.to(torch.int64)
        if clock:
            clock.lap("communication")
    optimizer.step()
    return loss, right


class Run:
    """One training run at one moment: weights, optimizer, position, random state, clock.

    Two runs in one process do not touch each other's random state. `state_dict` at a
    record and `load_state_dict` into a new `Run` of the same config continue with the same
    records as if nothing had happened in between.

    In a data-parallel run each worker has a `Run`, of the same config and with a `replica` of its
    own, and all advance together. The batches, their order, the masks of dropout and the updates
    are those of one worker, so the records are, too, and the same in each worker, but for the
    order in which sums are taken.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        device: torch.device | str = "cpu",
        replica: Replica = ALONE,
        clock: StepClock | None = None,
        *,
        gpus: int = 1,
    ) -> None:
        """`clock`, if there is one, measures the steps. More than one of `gpus` share the forward
        and backward pass of each training step by `torch.nn.DataParallel`; all else is done on
        the first. That was not tested on GPUs. Raises `ConfigError` if the config does not fit
        the data set, or the model several workers or GPUs."""
        self.config = config
        self.device = torch.device(device)
        self.replica = replica
        self.clock = clock
        dataset = dataset.to(self.device)
        self.train_samples, self.validation_samples = dataset.split(config)
        self.test_samples = dataset.test
        self.batch_size = min(config.batch_size, len(self.train_samples))
        self.steps_per_epoch = math.ceil(len(self.train_samples) / self.batch_size)
        self.total_steps = config.steps or config.epochs * self.steps_per_epoch

        self._dropout_draws = torch.Generator(self.device)
        self._dropout_draws.manual_seed(stream_seed(config.seed, "dropout"))
        model = build_model(
            config.model,
            input_shape=dataset.input_shape,
            classes=dataset.classes,
            dropout=config.dropout,
            width=config.width,
            seed=stream_seed(config.seed, "weights"),
            generator=self._dropout_draws,
        )
        if replica.workers > 1 or gpus > 1:
            check_learns_alike(model, config.model)
        if gpus > 1 and config.dropout > 0:
            raise ConfigError(
                f"dropout={config.dropout:g} draws from a generator that is on one GPU: set "
                "dropout=0, or use one process for each GPU"
            )
        # Convolutions this narrow are fastest with the channels last in memory.
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self._trained: torch.nn.Module = self.model
        if gpus > 1:
            self._trained = torch.nn.DataParallel(self.model, list(range(gpus)))
        self.loss: Loss = load_class(registry.LOSSES[config.loss])
        self.optimizer = build_optimizer(config, self.model.parameters())
        self._learning_rate = learning_rate(config, self.steps_per_epoch, self.total_steps)
        self._classifies = not dataset.train.targets.is_floating_point()

        self.step = 0
        self.train_seconds = 0.0
        self.diverged = False
        self.blown_up = False
        self._smoothed_loss: float | None = None
        self._lowest_loss = math.inf
        self._order = torch.empty(0)
        self._order_epoch = -1

    @property
    def finished(self) -> bool:
        return self.diverged or self.blown_up or self.step >= self.total_steps

    def state_dict(self) -> dict[str, Any]:
        """All that a new `Run` of the same config, on any number of workers, needs to go on from
        here; the same for all workers."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "device": self.device.type,
            "dropout_draws": self._dropout_draws.get_state(),
            "step": self.step,
            "train_seconds": self.train_seconds,
            "diverged": self.diverged,
            "blown_up": self.blown_up,
            "smoothed_loss": self._smoothed_loss,
            "lowest_loss": self._lowest_loss,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, by whatever number of workers: nothing in it is one
        worker's own. Raises `ValueError` if that was on another kind of device, whose records
        would have been others."""
        if state["device"] != self.device.type:
            raise ValueError(f"the state is of a run on {state['device']}, not {self.device.type}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._dropout_draws.set_state(state["dropout_draws"].cpu())
        self.step = state["step"]
        self.train_seconds = state["train_seconds"]
        self.diverged = state["diverged"]
        self.blown_up = state["blown_up"]
        self._smoothed_loss = state["smoothed_loss"]
        self._lowest_loss = state["lowest_loss"]

    def advance(self) -> Record:
        """Train up to the next record, evaluate, and return it."""
        first_step, first_sample = self.step, self._samples_at(self.step)
        until = self._next_record_step()
        loss_sum = torch.zeros((), device=self.device)
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        weight = 0
        self.model.train()
        self.wait()
        # Else the time would count in which others have not yet ended their evaluation.
        self.replica.wait()
        started = time.perf_counter()
        if self.clock:
            self.clock.begin()
        while self.step < until:
            batch_loss, batch_right, batch_samples = self.train_step()
            batch_weight = self.loss.weight(batch_samples)
            loss_sum += batch_loss * batch_weight
            right += batch_right
            weight += batch_weight
            look = self.step == until or self.step % _STEPS_BETWEEN_CHECKS == 0
            if look and not math.isfinite(loss_sum.item()):
                self.diverged = True
            if self.clock:
                self.clock.end_step()
            if self.diverged:
                break
        self.wait()
        seconds = time.perf_counter() - started
        self.train_seconds += seconds

        train_loss = loss_sum.item() / weight
        self._look_for_blow_up(train_loss, self.step - first_step)
        samples = self._samples_at(self.step)
        seen = samples - first_sample
        held_out = {} if self.diverged else self._held_out()
        if not all(map(math.isfinite, held_out.values())):
            # The last step itself may have been the one too far.
            self.diverged, held_out = True, {}
        return Record(
            step=self.step,
            epoch=samples / len(self.train_samples),
            samples=samples,
            lr=self.optimizer.param_groups[0]["lr"],
            train_loss=train_loss,
            train_accuracy=right.item() / seen if self._classifies else math.nan,
            train_seconds=self.train_seconds,
            samples_per_second=seen / seconds,
            steps_per_second=(self.step - first_step) / seconds,
            diverged=self.diverged,
            observed=self._observed(),
            **held_out,
        )

    def _look_for_blow_up(self, train_loss: float, steps: int) -> None:
        """Smooth the training loss by one more mean over `steps` steps, and compare."""
        if self._smoothed_loss is None:
            self._smoothed_loss = train_loss
        kept = _SMOOTHING**steps
        self._smoothed_loss = kept * self._smoothed_loss + (1 - kept) * train_loss
        self._lowest_loss = min(self._lowest_loss, self._smoothed_loss)
        most = self.config.blow_up
        self.blown_up = most is not None and self._smoothed_loss > most * self._lowest_loss

    def train_step(self) -> tuple[torch.Tensor, torch.Tensor, int]:
        """One step on the next batch; (its loss, number of right answers, samples)."""
        lr = self._learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        batch = self._batch()
        self.step += 1
        shard = batch[self.replica.shard(len(batch))]
        inputs, targets = self.train_samples.inputs[shard], self.train_samples.targets[shard]
        if self.clock:
            self.clock.lap("data")
        loss, right = training_step(
            self._trained,
            self.optimizer,
            self.loss,
            inputs,
            targets,
            replica=self.replica,
            batch_samples=len(batch),
            clock=self.clock,
        )
        return loss, right, len(batch)

    def _next_record_step(self) -> int:
        every = self.config.record_every or self.steps_per_epoch
        until = min(self.total_steps, (self.step // every + 1) * every)
        asked = self.config.evaluate_at or ()
        return min([until, *(step for step in asked if step > self.step)])

    def _samples_at(self, step: int) -> int:
        epochs, steps = divmod(step, self.steps_per_epoch)
        return epochs * len(self.train_samples) + steps * self.batch_size

    def _batch(self) -> torch.Tensor:
        """Indices of the next batch; the last one of an epoch may be shorter.

        The order of an epoch follows from the seed and the epoch alone, so a resumed run
        and the workers of a data-parallel one need no shared state to agree on it.
        """
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if epoch != self._order_epoch:
            drawn = stream_seed(self.config.seed, "order", epoch if self.config.shuffle else 0)
            order = torch.randperm(
                len(self.train_samples), generator=torch.Generator().manual_seed(drawn)
            )
            self._order, self._order_epoch = order.to(self.device), epoch
        return self._order[position * self.batch_size : (position + 1) * self.batch_size]

    def _held_out(self) -> dict[str, float]:
        last = self.step == self.total_steps or self.blown_up
        asked = self.config.evaluate_at
        if not last and asked is not None and self.step not in asked:
            return {}
        parts = {"validation": self.validation_samples} if len(self.validation_samples) else {}
        if self.config.test_curve or (last and self.config.test_at_end):
            parts["test"] = self.test_samples
        measured = {}
        for part, samples in parts.items():
            loss, accuracy = evaluate(self.model, self.loss, samples, self.replica)
            measured[f"{part}_loss"] = loss
            if self._classifies:
                measured[f"{part}_accuracy"] = accuracy
        return measured

    def _observed(self) -> dict[str, float]:
        observed: Mapping[str, float] = getattr(self.model, "observed", dict)()
        return {str(name): float(value) for name, value in observed.items()}

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@torch.inference_mode()
def evaluate(
    model: torch.nn.Module, loss: Loss, samples: Samples, replica: Replica = ALONE
) -> tuple[float, float]:
    """(loss, accuracy in [0, 1]) of `model` over `samples`, dropout off: the mean loss, or
    the sum where the loss is a sum. Of a regression the accuracy means nothing.

    Several workers evaluate a shard each, and all of them return the whole."""
    model.eval()
    loss_sum = torch.zeros((), dtype=torch.float64, device=samples.inputs.device)
    right = torch.zeros((), dtype=torch.int64, device=samples.inputs.device)
    size = 1 if loss.summed else len(samples)
    mine = samples[replica.shard(len(samples))]
    for start in range(0, len(mine), _EVALUATION_BATCH):
        batch = mine[start : start + _EVALUATION_BATCH]
        outputs = model(batch.inputs)
        loss_sum += loss(outputs, batch.targets) * loss.weight(len(batch))
        right += count_right(outputs, batch.targets)
    return replica.sum(loss_sum).item() / size, replica.sum(right).item() / len(samples)


def train(run: Run) -> Iterator[Record]:
    """Train `run` to its end from wherever it is, yielding a `Record` every epoch (or every
    `record_every` steps). Between two records `run.state_dict()` may be saved."""
    while not run.finished:
        yield run.advance()
