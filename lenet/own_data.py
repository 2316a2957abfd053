"""The user's own data: what a function `load()` returns, checked and converted.

`load` returns two splits, training then test. Each is either

- a pair (inputs, targets) of torch tensors or numpy arrays, which are kept in memory, or
- a map-style data set, such as torchvision's: `split[i]` is (input, target). It may be larger than
  memory, and may augment at random.

Inputs: floating-point, of images (channels, height, width); or whole numbers such as token ids.
Targets: classes as whole numbers from 0, or the values of a regression as floating-point numbers.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lenet.config import ConfigError
from lenet.loading import describe_failure, load_object, place_of
from lenet.samples import AnySamples, MapSamples, Samples, kept_random_state

_SPLITS = ("training", "test")


@dataclass(frozen=True)
class OwnData:
    """Two splits, in the order in which `load` returned them."""

    source: str
    train: AnySamples
    test: AnySamples
    classes: int
    """number of outputs: classes, or values of a regression's target"""


def load(path: str) -> OwnData:
    """Call the function at `path`, "package.module:load", and check what it returns.

    Raises: ConfigError, which names the function's file and line, if it cannot be called or does
    not return what it should.
    """
    function = load_object(path, "dataset")
    if not callable(function):
        raise ConfigError(
            f"dataset={path} is a {type(function).__name__}: name a function that returns the data"
        )
    name = f"dataset={path}{place_of(function)}"
    splits = _call(name, function)
    if all(_is_map(split) for split in splits):
        return _map_data(name, path, splits)
    train, test = (_samples(name, s, pair) for s, pair in zip(_SPLITS, splits, strict=True))
    if train.classifies != test.classifies:
        raise ConfigError(f"{name}: one split has whole numbers as targets and the other has not")
    classes = _classes(name, train) if train.classifies else train.targets.shape[1]
    return OwnData(_source(function), train, test, classes)


def _source(function: Any) -> str:
    return place_of(function).strip(" ()") or "your own module"


def _call(name: str, function: Callable[[], Any]) -> Any:
    try:
        splits = function()
    except (Exception, SystemExit) as error:  # the user's function may raise anything
        raise ConfigError(f"{name} raises {describe_failure(error)}") from error
    if not isinstance(splits, (tuple, list)) or len(splits) != 2:
        raise ConfigError(
            f"{name} returns {_described(splits)}: return ((inputs, targets), (inputs, targets)), "
            "training then test"
        )
    return splits


def _is_map(split: Any) -> bool:
    arrays = (tuple, list, torch.Tensor, np.ndarray)
    return (
        hasattr(split, "__getitem__")
        and hasattr(split, "__len__")
        and not isinstance(split, arrays)
    )


def _samples(name: str, split: str, pair: Any) -> Samples:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise ConfigError(
            f"{name} returns {_described(pair)} as {split} split: return (inputs, targets)"
        )
    inputs = _tensor(name, f"{split} inputs", pair[0])
    targets = _tensor(name, f"{split} targets", pair[1])
    if not len(inputs):
        raise ConfigError(f"{name}: its {split} split is empty: return at least one sample")
    if len(inputs) != len(targets):
        raise ConfigError(
            f"{name}: its {split} split has {len(inputs):,} inputs and {len(targets):,} targets: "
            "return one target for each input"
        )
    if inputs.dtype == torch.uint8:
        raise ConfigError(
            f"{name}: its {split} inputs are of type uint8: divide pixels by 255 as float32, or "
            "convert token ids to int64"
        )
    if inputs.dim() < 2:
        raise ConfigError(
            f"{name}: its {split} inputs have shape {tuple(inputs.shape)}: return (samples, "
            "features), of images (samples, channels, height, width)"
        )
    if targets.is_floating_point():
        targets = targets.to(torch.float32)
        targets = targets.unsqueeze(1) if targets.dim() == 1 else targets
        expected = "(samples,) or (samples, values)"
    else:
        targets = targets.to(torch.int64)
        expected = "(samples,), such as targets.argmax(1) for one-hot rows"
    if targets.dim() != (2 if targets.is_floating_point() else 1):
        raise ConfigError(
            f"{name}: its {split} targets have shape {tuple(targets.shape)}: return {expected}"
        )
    dtype = torch.float32 if inputs.is_floating_point() else torch.int64
    return Samples(inputs.to(dtype).contiguous(), targets.contiguous())


def _tensor(name: str, what: str, value: Any) -> torch.Tensor:
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            remedy = "map classes to 0, 1, 2, ..., as numpy.unique(..., return_inverse=True) does"
            if "inputs" in what:
                remedy = "return numbers"
            raise ConfigError(f"{name}: its {what} are of type {value.dtype}: {remedy}")
        # torch supports neither arrays with negative strides nor unsigned 16-bit arithmetic.
        wide = value.astype(np.int64) if value.dtype.kind in "iu" and value.itemsize > 1 else value
        value = torch.from_numpy(np.ascontiguousarray(wide))
    if not isinstance(value, torch.Tensor):
        raise ConfigError(
            f"{name}: its {what} are {_described(value)}: return a torch tensor or a numpy array, "
            "such as numpy.asarray(...)"
        )
    if value.is_complex():
        raise ConfigError(f"{name}: its {what} are of type {value.dtype}: return real numbers")
    return value.detach().cpu()


def _classes(name: str, train: Samples) -> int:
    low, high = (int(label) for label in torch.aminmax(train.targets))
    if low != 0:
        raise ConfigError(
            f"{name}: its training labels are {low} to {high}: classes count from 0, so return "
            f"targets - {low}"
            if low > 0
            else f"{name}: its training labels begin at {low}: classes are 0, 1, 2, ..."
        )
    if high == 0:
        raise ConfigError(
            f"{name}: all its training targets are class 0: there is nothing to learn; for a "
            "regression, return targets as float32"
        )
    return high + 1


def _map_data(name: str, path: str, splits: Any) -> OwnData:
    for split, dataset in zip(_SPLITS, splits, strict=True):
        if not len(dataset):
            raise ConfigError(f"{name}: its {split} split is empty: return at least one sample")
        _check_item(name, split, dataset)
    train, test = (MapSamples(d, torch.arange(len(d)), torch.device("cpu")) for d in splits)
    try:
        pickle.dumps(splits)
    except Exception as error:  # pickle may raise anything
        raise ConfigError(
            f"{name}: its data sets cannot be sent to workers: {describe_failure(error)}; define "
            "their classes and transforms at the top of a module"
        ) from error
    source = _source(load_object(path))
    first = train[:1].load()
    if not first.classifies:
        return OwnData(source, train, test, first.targets.shape[1])
    named = getattr(splits[0], "classes", None)
    labels = getattr(splits[0], "targets", None)
    if named is not None:
        return OwnData(source, train, test, named if isinstance(named, int) else len(named))
    if labels is not None:
        return OwnData(source, train, test, int(max(labels)) + 1)
    raise ConfigError(
        f"{name}: its training data set does not tell the number of classes: give it an attribute "
        "`classes`, the list of their names"
    )


def _check_item(name: str, split: str, dataset: Any) -> None:
    shown = f"{name}: item 0 of its {split} data set{place_of(dataset)}"
    try:
        with kept_random_state():
            item = dataset[0]
    except Exception as error:  # the user's data set may raise anything
        raise ConfigError(f"{shown} raises {describe_failure(error)}") from error
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise ConfigError(f"{shown} is {_described(item)}: return (input, target)")
    if not isinstance(item[0], (torch.Tensor, np.ndarray)):
        raise ConfigError(
            f"{shown} has {_described(item[0])} as input: return a tensor, such as with "
            "transform=torchvision.transforms.ToTensor()"
        )
    try:
        torch.as_tensor(item[1])
    except (TypeError, ValueError, RuntimeError):
        raise ConfigError(
            f"{shown} has {_described(item[1])} as target: return a class from 0, or numbers"
        ) from None


def _described(value: Any) -> str:
    """Describe a value in a few words, such as `a list of 3`."""
    kind = type(value).__name__
    if isinstance(value, (tuple, list, str, dict)):
        return f"a {kind} of {len(value)}"
    shape = getattr(value, "shape", None)
    return f"a {kind} of shape {tuple(shape)}" if shape is not None else f"a {kind}"
