"""Stacked models of any architecture, by `torch.func.vmap`."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from lenet.fused.stacked import FleetBatch, StackedModel, Unfusable
from lenet.loading import describe_failure
from lenet.losses import Loss, count_correct
from lenet.models.dropout import Dropout
from lenet.samples import Samples

# torch warns of operations that are slow under vmap, such as those of nn.EmbeddingBag. The speed of
# a fleet is measured before it is chosen. torch 2.15 has no public switch.
torch._C._functorch._set_vmap_fallback_warning_enabled(False)  # type: ignore[attr-defined]


class VmappedModel(StackedModel):
    """Stacked models of any architecture.

    A forward pass may draw random numbers only through `lenet.models.dropout.Dropout`: each
    member's masks are drawn from its own generator, as when it is alone.

    Raises: Unfusable if the model has buffers, because useful buffers change in training, or if
    vmap does not know one of its operations.
    """

    def __init__(self, models: Sequence[nn.Module], loss: Loss) -> None:
        if buffer := next((name for name, _ in models[0].named_buffers()), None):
            raise Unfusable(
                f"it has a buffer ({buffer}), which a step may change, as batch normalization does"
            )
        self._models = models
        self._loss = loss
        # A copy without weights: it only says what to compute.
        self._template = copy.deepcopy(models[0]).to("meta")
        self._dropouts = [
            [module for module in model.modules() if isinstance(module, Dropout)]
            for model in models
        ]
        self._calls: dict[int, list[tuple[int, Tensor]]] = {}
        trained = {name for name, p in models[0].named_parameters() if p.requires_grad}
        frozen, _ = stack_module_state(list(models))
        self._frozen = {name: p.detach() for name, p in frozen.items() if name not in trained}
        super().__init__(models, [[n for n, _ in models[0].named_parameters() if n in trained]])
        self._parameters = self.named(self.weights)
        self._parameter_gradients = self.named(self.gradients)

    def check(self, samples: Samples) -> None:
        generators = {module.generator for module in self._dropouts[0]}
        states = [(generator, generator.get_state()) for generator in generators]
        try:
            # Give the member a separate batch, so that vmap also follows the inputs.
            own = Samples(samples.inputs.unsqueeze(0), samples.targets.unsqueeze(0))
            self.backward(FleetBatch([own], [slice(0, 1)], len(samples), distinct=True))
        except Exception as error:  # the user's forward pass may raise anything
            raise Unfusable(f"torch.func.vmap fails: {describe_failure(error)}") from error
        finally:
            for generator, state in states:
                generator.set_state(state)

    def backward(self, batch: FleetBatch) -> tuple[Tensor, Tensor]:
        inputs, targets, shared = _one_batch(batch, self.members)
        masks = self._draw_masks(inputs if shared else inputs[0])

        def loss_of(
            parameters: dict[str, Tensor],
            frozen: dict[str, Tensor],
            inputs: Tensor,
            targets: Tensor,
            masks: list[Tensor],
        ) -> tuple[Tensor, Tensor]:
            self._template.train()
            given = iter(masks) if masks else None
            for module in self._template.modules():
                if isinstance(module, Dropout):
                    module.p, module.given_masks = 0.0, given
            outputs = functional_call(self._template, parameters | frozen, (inputs,))
            return self._loss(outputs, targets), count_correct(outputs, targets)

        step = vmap(
            grad_and_value(loss_of, has_aux=True), in_dims=(0, 0, *2 * (None if shared else 0,), 0)
        )
        gradients, (loss, correct) = step(self._parameters, self._frozen, inputs, targets, masks)
        for name, gradient in gradients.items():
            self._parameter_gradients[name].copy_(gradient)
        return loss, correct

    @torch.inference_mode()
    def evaluate(self, samples: Samples) -> tuple[Tensor, Tensor]:
        self._template.eval()

        def evaluate_one(weights: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
            outputs = functional_call(self._template, weights, (samples.inputs,))
            return self._loss(outputs, samples.targets), count_correct(outputs, samples.targets)

        return vmap(evaluate_one)(self._parameters | self._frozen)

    def _draw_masks(self, inputs: Tensor) -> list[Tensor]:
        """Return the scaled masks of each call of a dropout module, (members, *activations)."""
        if not any(module.p for modules in self._dropouts for module in modules):
            return []
        calls = self._dropout_calls(inputs)
        return [
            torch.stack([_mask(modules[number], like) for modules in self._dropouts])
            for number, like in calls
        ]

    def _dropout_calls(self, inputs: Tensor) -> list[tuple[int, Tensor]]:
        """Return which dropout modules a forward pass calls, each with activations like its input.

        They are found by a pass of the first member without dropout, once for each batch size.
        """
        if len(inputs) in self._calls:
            return self._calls[len(inputs)]
        calls: list[tuple[int, Tensor]] = []
        handles = [
            module.register_forward_pre_hook(
                lambda _, arguments, number=number: calls.append((number, arguments[0]))
            )
            for number, module in enumerate(self._dropouts[0])
        ]
        self._models[0].eval()
        with torch.no_grad():
            self._models[0](inputs)
        self._models[0].train()
        for handle in handles:
            handle.remove()
        self._calls[len(inputs)] = calls
        return calls


def _mask(module: Dropout, like: Tensor) -> Tensor:
    # A member without dropout draws nothing when it is alone.
    return module.draw_mask(like) if module.p else torch.ones_like(like)


def _one_batch(batch: FleetBatch, members: int) -> tuple[Tensor, Tensor, bool]:
    """Return (inputs, targets, whether all members share them); else they have a member axis."""
    if batch.distinct or len(batch.parts) == 1:
        part = batch.parts[0]
        return part.inputs, part.targets, not batch.distinct
    counts = [len(range(*span.indices(members))) for span in batch.spans]
    inputs, targets = (
        torch.cat(
            [
                getattr(part, name).expand(count, *getattr(part, name).shape)
                for part, count in zip(batch.parts, counts, strict=True)
            ]
        )
        for name in ("inputs", "targets")
    )
    return inputs, targets, False
