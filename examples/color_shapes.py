"""Small RGB images, made here: which shape is it, whatever its color and place?

    python -m study.grid examples/color_shapes.py
    python -m study.search examples/color_shapes.py --set lr=1e-4..1e-1 --trials 10

`load` returns two map-style data sets, as torchvision's: an image is made when it is read.
"""

import torch
from torch import nn

from search_spaces.study import Figure, Grid, Study


class Shapes(torch.utils.data.Dataset):
    classes = ("square", "cross")

    def __init__(self, samples, first):
        self.samples, self.first = samples, first

    def __len__(self):
        return self.samples

    def __getitem__(self, index):
        draws = torch.Generator().manual_seed(self.first + index)
        color = torch.rand(3, 1, 1, generator=draws)
        row, column = torch.randint(0, 10, (2,), generator=draws)
        shape = torch.ones(6, 6)
        if index % 2:
            shape[:2, :2] = shape[:2, 4:] = shape[4:, :2] = shape[4:, 4:] = 0
        image = torch.zeros(3, 16, 16)
        image[:, row : row + 6, column : column + 6] = (0.3 + color) * shape
        return image + 0.1 * torch.randn(3, 16, 16), index % 2  # other noise in every epoch


def load():
    return Shapes(400, first=0), Shapes(100, first=10_000)


def net(*, input_shape, classes, width=1):
    first, second = nn.Conv2d(input_shape[0], 8 * width, 3), nn.Conv2d(8 * width, 8 * width, 3)
    features = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.AdaptiveMaxPool2d(1))
    return nn.Sequential(features, nn.Flatten(), nn.Linear(8 * width, classes))


CURVES = {"quantity": "loss", "line": "lr", "panel": "width", "where": {}}

STUDY = Study(
    name="color-shapes",
    question="How wide must a small net be to tell shapes apart?",
    source="examples/color_shapes.py",
    fixed={"dataset": "color_shapes:load", "model": "color_shapes:net", "batch_size": 20},
    grids=(Grid(space={"width": (1, 2), "lr": (0.003, 0.01)}, settings={"schedule": "one-cycle"}),),
    budgets={"smoke": {"epochs": 2}, "quick": {"epochs": 4}, "paper": {"epochs": 40}},
    figures=(Figure(name="one-cycle", kind="curves", title="Loss by width", options=CURVES),),
)
