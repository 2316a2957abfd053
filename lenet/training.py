"""The training loop: one step, a run, and the records that it yields.

    from lenet import TrainConfig, datasets, training

    run = training.Run(TrainConfig(optimizer="sgd", lr=0.1), datasets.load("digits"))
    for record in training.train(run):
        print(record.epoch, record.validation_accuracy)

A plain script, a Tune trial and a data-parallel worker all iterate over `train`. A worker gives its
`Run` a `Replica`, and `lenet.data_parallel` does everything that needs more than one process.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from lenet import registry
from lenet.config import TrainConfig
from lenet.data_parallel import ALONE, WHOLE_BATCH, Replica, Shard, distribute
from lenet.datasets import Dataset, Samples
from lenet.loading import load_object
from lenet.losses import Loss, count_correct
from lenet.models import build_model
from lenet.optimizers import build_optimizer
from lenet.records import Record
from lenet.run_length import RunLength
from lenet.schedules import learning_rate
from lenet.step_clock import NO_CLOCK, StepClock

# Steps between checks that the loss is finite. A check makes the CPU wait for a GPU. The interval
# counts steps, not seconds, so that records are deterministic.
_CHECK_EVERY = 100

_EVALUATION_BATCH = 500

# Decay of the smoothed training loss per step: a mean over about ten steps, so that a single hard
# batch is no blow-up.
_SMOOTHING = 0.9


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_function: Loss,
    samples: Samples,
    shard: Shard = WHOLE_BATCH,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Update the weights from one batch; return its (loss, number of correct answers).

    Both are scalars on the device: reading them here would make the CPU wait for a GPU.

    With several workers, `samples` is this worker's `shard` of the batch. The update, the loss and
    the number are those of the whole batch.
    """
    optimizer.zero_grad(set_to_none=True)
    outputs = model(samples.inputs)
    loss = loss_function(outputs, samples.targets)
    loss.backward()
    correct = count_correct(outputs, samples.targets)
    loss, correct = shard.all_reduce(optimizer, loss.detach(), correct)
    optimizer.step()
    return loss, correct


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
        *,
        gpus: int = 1,
    ) -> None:
        """Prepare a run of `config` from its first step.

        `clock` times the steps. Several `gpus` of this process share the forward and backward pass
        of each step; evaluation and updates use the first one.

        Raises: ConfigError if the config does not fit the data set, or if its model does not work
        with several workers or GPUs.
        """
        self.config = config
        self.device = torch.device(device)
        self.replica = replica
        self.clock = clock
        dataset = dataset.to(self.device)
        self.train_samples, self.validation_samples = dataset.split(config)
        self.test_samples = dataset.test
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
        )
        # Convolutions this narrow are fastest in the channels-last memory format.
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self._forward = distribute(self.model, config, replica, gpus)
        self.loss: Loss = load_object(registry.LOSSES[config.loss])
        self.optimizer = build_optimizer(config, self.model.parameters())
        self._learning_rate = learning_rate(
            config, self.length.steps_per_epoch, self.length.total_steps
        )
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
        first_step, first_sample = self.step, self.length.samples_after(self.step)
        train_loss, correct, seconds = self._train_to(self.length.next_record(self.step))
        self.train_seconds += seconds
        steps = self.step - first_step
        self._check_blow_up(train_loss, steps)
        held_out = {} if self.diverged else self._evaluate()
        if not all(map(math.isfinite, held_out.values())):
            # The last step itself diverged: its training loss is from before the update.
            self.diverged, held_out = True, {}
        total_samples = self.length.samples_after(self.step)
        samples = total_samples - first_sample
        return Record(
            step=self.step,
            epoch=total_samples / len(self.train_samples),
            samples=total_samples,
            lr=self.optimizer.param_groups[0]["lr"],
            train_loss=train_loss,
            train_accuracy=correct / samples if self._classifies else math.nan,
            train_seconds=self.train_seconds,
            samples_per_second=samples / seconds,
            steps_per_second=steps / seconds,
            diverged=self.diverged,
            observed=self._observed(),
            **held_out,
        )

    def _train_to(self, last_step: int) -> tuple[float, int, float]:
        """Train up to `last_step` or divergence; return (mean loss, correct answers, seconds)."""
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
            loss_sum += batch_loss * batch_weight
            correct += batch_correct
            weight += batch_weight
            check = self.step == last_step or self.step % _CHECK_EVERY == 0
            if check and not math.isfinite(loss_sum.item()):
                self.diverged = True
            self.clock.end_step()
        self.synchronize()
        seconds = time.perf_counter() - started
        return loss_sum.item() / weight, int(correct.item()), seconds

    def train_step(self) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Train on the next batch; return its (loss, number of correct answers, samples)."""
        lr = self._learning_rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        batch = self._next_batch()
        self.step += 1
        shard = self.replica.take_shard(self.model, self.loss, len(batch), self.clock)
        samples = self.train_samples[batch[shard.span]]
        self.clock.lap("data")
        loss, correct = training_step(self._forward, self.optimizer, self.loss, samples, shard)
        return loss, correct, len(batch)

    def _next_batch(self) -> torch.Tensor:
        """Return the indices of the next batch, int64 (samples,).

        The order of an epoch depends on the seed and the epoch only. Resumed runs and the workers
        of a data-parallel run agree on it without shared state.
        """
        epoch, position = divmod(self.step, self.length.steps_per_epoch)
        if epoch != self._order_epoch:
            seed = stream_seed(self.config.seed, "order", epoch if self.config.shuffle else 0)
            order = torch.randperm(
                len(self.train_samples), generator=torch.Generator().manual_seed(seed)
            )
            self._order, self._order_epoch = order.to(self.device), epoch
        size = self.length.batch_size
        return self._order[position * size : (position + 1) * size]

    def _check_blow_up(self, train_loss: float, steps: int) -> None:
        """Update the smoothed loss by the mean of the last `steps` steps and check its rise."""
        if self._smoothed_loss is None:
            self._smoothed_loss = train_loss
        decay = _SMOOTHING**steps
        self._smoothed_loss = decay * self._smoothed_loss + (1 - decay) * train_loss
        self._lowest_loss = min(self._lowest_loss, self._smoothed_loss)
        limit = self.config.blow_up
        self.blown_up = limit is not None and self._smoothed_loss > limit * self._lowest_loss

    def _evaluate(self) -> dict[str, float]:
        """Return the held-out losses and accuracies that are due, by the field of `Record`."""
        last = self.blown_up or self.step == self.length.total_steps
        if not last and not self.length.evaluates_at(self.step):
            return {}
        splits = {"validation": self.validation_samples} if len(self.validation_samples) else {}
        if self.config.test_curve or (last and self.config.test_at_end):
            splits["test"] = self.test_samples
        results = {}
        for split, samples in splits.items():
            loss, accuracy = evaluate(self.model, self.loss, samples, self.replica)
            results[f"{split}_loss"] = loss
            if self._classifies:
                results[f"{split}_accuracy"] = accuracy
        return results

    def _observed(self) -> dict[str, float]:
        observed: Mapping[str, float] = getattr(self.model, "observed", dict)()
        return {str(name): float(value) for name, value in observed.items()}

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@torch.inference_mode()
def evaluate(
    model: nn.Module, loss_function: Loss, samples: Samples, replica: Replica = ALONE
) -> tuple[float, float]:
    """Return (loss, accuracy in [0, 1]) of `model` on `samples`, with dropout off.

    The loss is the mean over the samples, or their sum if the loss function sums. A regression has
    no accuracy; the number is meaningless. Several workers evaluate one shard each, and all of them
    return the result of the whole.
    """
    model.eval()
    loss_sum = torch.zeros((), dtype=torch.float64, device=samples.inputs.device)
    correct = torch.zeros((), dtype=torch.int64, device=samples.inputs.device)
    size = 1 if loss_function.summed else len(samples)
    shard = samples[replica.shard(len(samples))]
    for start in range(0, len(shard), _EVALUATION_BATCH):
        batch = shard[start : start + _EVALUATION_BATCH]
        outputs = model(batch.inputs)
        loss_sum += loss_function(outputs, batch.targets) * loss_function.weight(len(batch))
        correct += count_correct(outputs, batch.targets)
    return replica.sum(loss_sum).item() / size, replica.sum(correct).item() / len(samples)


def train(run: Run) -> Iterator[Record]:
    """Train `run` to its end, yielding records. Between two, `run.state_dict()` may be saved."""
    while not run.finished:
        yield run.advance()


def stream_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed for one `purpose` of the run with `seed`.

    Different purposes get independent random numbers.
    """
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
