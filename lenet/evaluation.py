"""Evaluation of a model on held-out samples."""

from __future__ import annotations

import torch
from torch import nn

from lenet.data_parallel import ALONE, Replica
from lenet.losses import Loss, count_correct
from lenet.samples import AnySamples

EVALUATION_BATCH = 250
"""Number of held-out samples that a model gets at once.

With 500, the activations are so large that the allocator returns their memory after each batch, and
has to request it again (`python -m benchmarks.batches`; measured on a CPU only).
"""


@torch.inference_mode()
def evaluate(
    model: nn.Module, loss_function: Loss, samples: AnySamples, replica: Replica = ALONE
) -> tuple[float, float]:
    """Return (loss, accuracy in [0, 1]) of `model` on `samples`, with dropout off.

    The loss is the mean over the samples, or their sum if the loss function sums. A regression has
    no accuracy; the number is meaningless. Several workers evaluate one shard each, and all of them
    return the result of the whole.
    """
    model.eval()
    loss_sum = torch.zeros((), dtype=torch.float64, device=samples.device)
    correct = torch.zeros((), dtype=torch.int64, device=samples.device)
    size = 1 if loss_function.summed else len(samples)
    shard = samples[replica.shard(len(samples))]
    for batch in shard.batches(EVALUATION_BATCH):
        outputs = model(batch.inputs)
        loss_sum += loss_function(outputs, batch.targets) * loss_function.weight(len(batch))
        correct += count_correct(outputs, batch.targets)
    return replica.sum(loss_sum).item() / size, replica.sum(correct).item() / len(samples)


@torch.inference_mode()
def predict(
    model: nn.Module, samples: AnySamples, replica: Replica = ALONE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the outputs of `model` on `samples`, with dropout off, and the targets.

    Several workers predict one shard each, and all of them return the whole.
    """
    model.eval()
    span = replica.shard(len(samples))
    pairs = [(model(b.inputs), b.targets) for b in samples[span].batches(EVALUATION_BATCH)]
    whole = []
    for shard in (torch.cat([pair[i] for pair in pairs]) for i in range(2)):
        tensor = shard.new_zeros(len(samples), *shard.shape[1:])
        tensor[span] = shard
        whole.append(replica.sum(tensor))
    return whole[0], whole[1]
