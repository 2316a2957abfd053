"""Data, losses, optimizers, schedules and metrics as a user would write them, and their mistakes.

Each mistake is one that the first run of a user's study is likely to have.
"""

import math

import numpy as np
import torch
from torch import nn


def rng(seed=0):
    return np.random.default_rng(seed)


def table(samples=400, features=6):
    """Two classes, told apart by a sum."""
    inputs = rng().normal(size=(samples, features))
    targets = (inputs.sum(1) > 0).astype(np.int64)
    return (inputs[:300], targets[:300]), (inputs[300:], targets[300:])


def vectors():
    """A regression of three numbers."""
    inputs = torch.from_numpy(rng().normal(size=(400, 5)))
    targets = inputs[:, :3] * torch.tensor([1.0, -2.0, 0.5]) + inputs[:, 3:4]
    return (inputs[:300], targets[:300]), (inputs[300:], targets[300:])


def tokens():
    """Sequences of token ids; the class is whether token 7 is among them."""
    inputs = rng().integers(0, 20, size=(600, 12)).astype(np.int32)
    inputs[::2, 3] = 7
    targets = (inputs == 7).any(1).astype(np.int32)
    return (inputs[:450], targets[:450]), (inputs[450:], targets[450:])


def colors():
    """RGB images of 32 x 48 pixels, whose class is the channel that is brightest."""
    targets = rng().integers(0, 3, size=300)
    inputs = rng(1).random((300, 3, 32, 48)).astype(np.float32) * 0.5
    inputs[np.arange(300), targets] += 0.5
    return (inputs[:240], targets[:240]), (inputs[240:], targets[240:])


class Halves(torch.utils.data.Dataset):
    """A map-style data set that makes its images when they are read, and adds random noise."""

    classes = ("left", "right")

    def __init__(self, samples):
        self.samples = samples

    def __len__(self):
        return self.samples

    def __getitem__(self, index):
        label = index % 2
        image = torch.zeros(1, 8, 8)
        image[0, :, 4 * label : 4 * label + 4] = 1.0
        return image + 0.3 * torch.randn(1, 8, 8), label


def halves():
    return Halves(200), Halves(60)


class Flat(nn.Module):
    """A linear model of inputs of any shape, which takes nothing but that and the outputs."""

    def __init__(self, input_shape, classes):
        super().__init__()
        self.layer = nn.Linear(math.prod(input_shape), classes)

    def forward(self, inputs):
        return self.layer(inputs.flatten(1))


def bag_of_tokens(classes, *, tokens=20, size=8):
    """A function that returns a module: the mean of embeddings, then a linear layer."""
    return nn.Sequential(nn.EmbeddingBag(tokens, size), nn.Linear(size, classes))


def huber(outputs, targets, delta=1.0):
    return nn.functional.huber_loss(outputs, targets, delta=delta)


def step_down(step, lr, total_steps, factor=0.1):
    return lr if step < total_steps / 2 else lr * factor


def worst_error(outputs, targets):
    return (outputs - targets).abs().max()


def first_class_recall(outputs, targets):
    return (outputs.argmax(1) == targets)[targets == 0].float().mean()


class Signs(torch.optim.Optimizer):
    """Steps along the sign of the gradient."""

    def __init__(self, params, lr=0.1, k=1, weight_decay=0.0):
        super().__init__(params, {"lr": lr, "k": k, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] / group["k"] * (p.grad + group["weight_decay"] * p).sign())


# Mistakes


def data_raises():
    raise FileNotFoundError("no file prices.csv")


def data_without_test():
    return table()[0]


def data_of_lists():
    return ([[1.0, 2.0]], [0]), ([[1.0, 2.0]], [0])


def labels_from_one():
    (inputs, targets), test = table()
    return (inputs, targets + 1), test


def negative_labels():
    (inputs, targets), test = table()
    return (inputs, 2 * targets - 1), test


def one_class():
    (inputs, targets), test = table()
    return (inputs, targets * 0), test


def empty_test():
    train, (inputs, targets) = table()
    return train, (inputs[:0], targets[:0])


def text_labels():
    (inputs, targets), test = table()
    return (inputs, np.where(targets == 1, "yes", "no")), test


def nan_inputs():
    (inputs, targets), test = table()
    inputs[3, 2] = np.nan
    return (inputs, targets), test


def nan_targets():
    (inputs, targets), test = vectors()
    targets[0, 0] = math.nan
    return (inputs, targets), test


def fewer_targets():
    (inputs, targets), test = table()
    return (inputs, targets[:-5]), test


def byte_pixels():
    (inputs, targets), test = colors()
    return ((inputs * 255).astype(np.uint8), targets), test


def one_hot():
    (inputs, targets), test = table()
    return (inputs, np.eye(2, dtype=np.int64)[targets]), test


def unseen_label():
    train, (inputs, targets) = table()
    return train, (inputs, targets + 1)


def other_features():
    train, (inputs, targets) = table()
    return train, (inputs[:, :4], targets)


def flat_inputs():
    (inputs, targets), test = table()
    return (inputs[:, 0], targets), test


class Pictures(Halves):
    def __getitem__(self, index):
        return "image.png", 0


def pictures():
    return Pictures(10), Pictures(5)


class Nameless(torch.utils.data.Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.zeros(3), index % 2


def nameless():
    return Nameless(), Nameless()


class NeedsDepth(Flat):
    def __init__(self, input_shape, classes, depth):
        super().__init__(input_shape, classes)


class ReturnsProbability(Flat):
    def forward(self, inputs):
        return super().forward(inputs).softmax(1)[:, 1]


class FailsInForward(Flat):
    def forward(self, inputs):
        return self.layer(inputs.view(3, -1))


def no_model(input_shape):
    return "a model"


def loss_per_sample(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets, reduction="none")


def loss_of_numbers(outputs, targets):
    return nn.functional.cross_entropy(outputs, targets).item()


def detached_loss(outputs, targets):
    return nn.functional.cross_entropy(outputs.detach(), targets)


def metric_of_samples(outputs, targets):
    return (outputs.argmax(1) == targets).float()


def failing_metric(outputs, targets):
    return outputs.no_such_method()


def nan_metric(outputs, targets):
    return (outputs * math.nan).mean()


def precision_of_all(outputs, targets):
    """NaN unless each class is predicted."""
    chosen = [outputs.argmax(1) == label for label in range(outputs.shape[1])]
    hits = [(targets[c] == label).float().mean() for label, c in enumerate(chosen)]
    return torch.stack(hits).mean()


def large_metric(outputs, targets):
    return 42


class Zero(Flat):
    """Predicts the first class before the first step."""

    def __init__(self, input_shape, classes):
        super().__init__(input_shape, classes)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)


def whole_numbers():
    train, test = table()
    return tuple((np.round(inputs).astype(np.int64), targets) for inputs, targets in (train, test))


def float_classes():
    train, test = table()
    return tuple((inputs, targets.astype(np.float32)) for inputs, targets in (train, test))


class Deep(Flat):
    """Takes a number of layers."""

    def __init__(self, input_shape, classes, depth=1):
        super().__init__(input_shape, classes)
        self.layers = [self.layer] * depth


instance = nn.Linear(6, 2)


class StepsWithGradients(Signs):
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(group["lr"] * p.grad)


class NoStep(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})


class NoOptimizer:
    def __init__(self, params, lr):
        pass


class NoRate(torch.optim.SGD):
    def __init__(self, params, learning_rate=0.1):
        super().__init__(params, lr=learning_rate)


def negative_schedule(step, lr):
    return lr * (1 - step)


def spread(outputs, targets):
    return outputs.std()


def failing_kind(*_):
    raise KeyError("no column of mine")
