"""Which runs a fleet can train as one."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from lenet import registry
from lenet.alike import ALIKE
from lenet.fused.stacked import Unfusable
from lenet.samples import MapSamples, Samples
from lenet.training import Run


def check_fusable(runs: Sequence[Run]) -> None:
    """Raise `Unfusable` if a fleet cannot train `runs`, whatever their architecture.

    Whether the architecture can be stacked, only `lenet.fused.stack` finds out.
    """
    _check_alike(runs)
    for run in runs:
        _check_stackable(run)
    _check_randomness(runs[0])


def _check_alike(runs: Sequence[Run]) -> None:
    first = runs[0]
    for run in runs[1:]:
        for name in ALIKE:
            one, other = getattr(first.config, name), getattr(run.config, name)
            if one != other:
                raise Unfusable(f"{name} differs: {one} and {other}")
        if run.device != first.device or run.step != first.step:
            raise Unfusable(
                f"one is at step {first.step} on {first.device}, another at step {run.step} on "
                f"{run.device}"
            )
        mine, theirs = run.train_samples, first.train_samples
        same = (
            isinstance(mine, Samples)
            and isinstance(theirs, Samples)
            and mine.inputs.data_ptr() == theirs.inputs.data_ptr()
        )
        if not same and isinstance(mine, Samples):
            raise Unfusable("their training samples are not the same tensors")


def _check_stackable(run: Run) -> None:
    """Raise `Unfusable` if `run` needs what no fleet supports; such a run trains alone."""
    config, samples = run.config, run.train_samples
    if config.precision != "fp32":
        raise Unfusable(f"precision={config.precision}: fleets train in fp32 only")
    if registry.is_own(config.optimizer):
        raise Unfusable(f"optimizer={config.optimizer} is your own, whose rule is not known here")
    if config.clip_norm is not None:
        raise Unfusable(f"clip_norm={config.clip_norm:g} depends on one member's gradients")
    if isinstance(samples, MapSamples):
        raise Unfusable(
            f"dataset={config.dataset} is not in memory: each run reads its own batches"
        )
    if samples.targets.dim() > 1:
        raise Unfusable(f"dataset={config.dataset} has targets of several dimensions")


def _check_randomness(run: Run) -> None:
    """Raise `Unfusable` if the model draws from torch's global random state.

    Stacked, the model would draw the same numbers for all members, and other numbers than alone.
    """
    model = copy.deepcopy(run.model).train()
    with torch.random.fork_rng(devices=[run.device] if run.device.type == "cuda" else []):
        before = _global_state(run.device)
        with torch.no_grad():
            model(run.train_samples[:2].load().inputs)
        if not before.equal(_global_state(run.device)):
            raise Unfusable(
                f"model={run.config.model} draws from torch's global random state, as "
                "torch.nn.Dropout does: use lenet.models.dropout.Dropout"
            )


def _global_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
