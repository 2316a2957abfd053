"""Stacked nets of dense layers, with a hand-written backward pass.

Activations are (members, units, samples). In this layout, the first layer takes one matrix product
for all members that share a batch, and so does its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lenet.fused.stacked import FleetBatch, StackedModel
from lenet.losses import CROSS_ENTROPY, MEAN_SQUARED_ERROR, SUM_OF_SQUARES, Loss
from lenet.models.linear_regression import LinearRegression
from lenet.models.mlp import FourLayerSigmoid, ThreeLayerSigmoid, TwoLayerRelu
from lenet.models.softmax_regression import SoftmaxRegression
from lenet.samples import Samples

_ACTIVATIONS: Mapping[type[nn.Module], tuple[str, ...]] = {
    FourLayerSigmoid: ("sigmoid", "sigmoid", "sigmoid"),
    ThreeLayerSigmoid: ("sigmoid", "sigmoid"),
    TwoLayerRelu: ("relu", "none"),
    SoftmaxRegression: ("none",),
    LinearRegression: ("none",),
}
_LOSSES = (CROSS_ENTROPY, MEAN_SQUARED_ERROR, SUM_OF_SQUARES)


def activations_of(model: nn.Module) -> tuple[str, ...] | None:
    """Return the activation after each `nn.Linear` of `model`; None if it is no known dense net.

    Subclasses are not known: they may do anything in their forward pass.
    """
    return _ACTIVATIONS.get(type(model))


class StackedDense(StackedModel):
    """Stacked dense nets."""

    def __init__(self, models: Sequence[nn.Module], loss: Loss) -> None:
        activations = activations_of(models[0])
        assert activations is not None
        self._activations = activations
        self._loss = loss
        layers = [n for n, m in models[0].named_modules() if isinstance(m, nn.Linear)]
        # The first layer's weights have a separate tensor, so that the members' rows are one
        # matrix. All other parameters share a second tensor.
        names = [f"{layer}.{name}" for layer in layers for name in ("weight", "bias")]
        super().__init__(models, [names[:1], names[1:]])
        self._layers = self._by_layer(self.weights)
        self._layer_gradients = self._by_layer(self.gradients)

    def check(self, samples: Samples) -> None:
        """Do nothing: a known dense net needs no check."""

    def _by_layer(self, tensors: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return (weight (members, out, in), bias (members, out)) of each layer."""
        views = list(self.named(tensors).values())
        return list(zip(views[::2], views[1::2], strict=True))

    @staticmethod
    def supports(loss: Loss) -> bool:
        """Return True if the derivative of `loss` is known here."""
        return loss in _LOSSES

    def _forward(
        self, parts: Sequence[Tensor], spans: Sequence[slice], *, distinct: bool
    ) -> list[Tensor]:
        """Return the activations of each layer, (members, units, samples)."""
        weight, bias = self._layers[0]
        if distinct:
            products = torch.bmm(weight, parts[0].transpose(1, 2))
        else:
            blocks = [
                (weight[span].flatten(0, 1) @ part.T).view(-1, weight.shape[1], len(part))
                for part, span in zip(parts, spans, strict=True)
            ]
            products = blocks[0] if len(blocks) == 1 else torch.cat(blocks)
        activations = [_activate(products.add_(bias.unsqueeze(2)), self._activations[0])]
        for (weight, bias), name in zip(self._layers[1:], self._activations[1:], strict=True):
            products = torch.baddbmm(bias.unsqueeze(2), weight, activations[-1])
            activations.append(_activate(products, name))
        return activations

    @torch.no_grad()
    def backward(self, batch: FleetBatch) -> tuple[Tensor, Tensor]:
        inputs = [part.inputs.flatten(2 if batch.distinct else 1) for part in batch.parts]
        activations = self._forward(inputs, batch.spans, distinct=batch.distinct)
        outputs = activations[-1]
        loss, correct, delta = self._loss_and_delta(outputs, _targets(batch, len(outputs)))
        for number in range(len(self._layers) - 1, -1, -1):
            weight_gradient, bias_gradient = self._layer_gradients[number]
            delta = _through(delta, activations[number], self._activations[number])
            torch.sum(delta, 2, out=bias_gradient)
            if number > 0:
                _products(delta, activations[number - 1].transpose(1, 2), out=weight_gradient)
                delta = torch.bmm(self._layers[number][0].transpose(1, 2), delta)
            elif batch.distinct:
                _products(delta, inputs[0], out=weight_gradient)
            else:
                for part, span in zip(inputs, batch.spans, strict=True):
                    _shared_products(delta[span], part, out=weight_gradient[span])
        return loss, correct

    @torch.inference_mode()
    def evaluate(self, samples: Samples) -> tuple[Tensor, Tensor]:
        everyone = [slice(0, self.members)]
        outputs = self._forward([samples.inputs.flatten(1)], everyone, distinct=False)[-1]
        loss, correct, _ = self._loss_and_delta(outputs, samples.targets.unsqueeze(0))
        return loss, correct

    def _loss_and_delta(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the loss and the correct answers, (members,), and the loss's derivative.

        outputs: (members, classes, samples). targets: (members, samples) or (1, samples).
        """
        members, classes, samples = outputs.shape
        targets = targets.expand(members, samples)
        if self._loss is SUM_OF_SQUARES:
            error = outputs - targets.unsqueeze(1)
            correct = torch.zeros(members, dtype=torch.int64, device=outputs.device)
            return error.square().sum((1, 2)), correct, error.mul_(2)
        index = targets.unsqueeze(1)
        if self._loss is MEAN_SQUARED_ERROR:
            error = outputs.scatter_add(1, index, outputs.new_full((1,), -1.0).expand_as(index))
            count = classes * samples
            loss, delta = error.square().sum((1, 2)) / count, error.mul_(2 / count)
        else:
            log_shares = F.log_softmax(outputs, 1)
            loss = log_shares.gather(1, index).sum((1, 2)) / -samples
            shares = log_shares.exp_()
            ones = outputs.new_full((1,), -1.0).expand_as(index)
            delta = shares.scatter_add_(1, index, ones).div_(samples)
        # Equal to `argmax`, also for ties, but ten times as fast along an inner axis.
        correct = (outputs.max(1).indices == targets).sum(1)
        return loss, correct, delta


def _activate(products: Tensor, name: str) -> Tensor:
    if name == "sigmoid":
        return products.sigmoid_()
    return products.relu_() if name == "relu" else products


def _through(delta: Tensor, activation: Tensor, name: str) -> Tensor:
    """Return the derivative by a layer's products, given `delta`, the one by its activations."""
    if name == "sigmoid":
        return delta * activation * (1 - activation)
    return delta * (activation > 0) if name == "relu" else delta


def _products(delta: Tensor, inputs: Tensor, *, out: Tensor) -> None:
    """Fill `out` with each member's sum over samples of `delta` times `inputs`.

    delta: (members, units, samples). inputs: (members, samples, n). out: (members, units, n).
    """
    if delta.shape[2] == 1:  # nothing to sum: three times as fast as a matrix product on a CPU
        torch.mul(delta, inputs, out=out)
    else:
        torch.bmm(delta, inputs, out=out)


def _shared_products(delta: Tensor, inputs: Tensor, *, out: Tensor) -> None:
    """Do what `_products` does for members that share `inputs`, (samples, n)."""
    if delta.shape[2] == 1:
        torch.mul(delta, inputs, out=out)
    else:
        torch.mm(delta.flatten(0, 1), inputs, out=out.flatten(0, 1))


def _targets(batch: FleetBatch, members: int) -> Tensor:
    """Return the targets, (members, samples), or (1, samples) if all members share them."""
    if batch.distinct:
        return batch.parts[0].targets
    if len(batch.parts) == 1:
        return batch.parts[0].targets.unsqueeze(0)
    counts = [len(range(*span.indices(members))) for span in batch.spans]
    return torch.cat(
        [part.targets.expand(count, -1) for part, count in zip(batch.parts, counts, strict=True)]
    )
