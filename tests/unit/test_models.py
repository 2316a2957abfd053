"""Shapes, sizes and initial values of every architecture, and the keywords that it takes."""

from __future__ import annotations

import inspect
import math
import re
import sys
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from lenet import registry
from lenet.config import ConfigError, TrainConfig
from lenet.loading import load_object
from lenet.models import build_model
from lenet.models.deep_mnist import DeepMnist
from lenet.models.lenet import LeNet
from lenet.models.lenet5_tanh import LeNet5Tanh
from lenet.models.mlp import FourLayerSigmoid, ThreeLayerSigmoid, TwoLayerRelu
from lenet.models.pooling import max_pool_2x2
from lenet.models.softmax_regression import SoftmaxRegression

IMAGE_MODELS: list[type[nn.Module]] = [
    LeNet5Tanh,
    DeepMnist,
    FourLayerSigmoid,
    ThreeLayerSigmoid,
    TwoLayerRelu,
    SoftmaxRegression,
]
FLUX_MODELS: list[type[nn.Module]] = [FourLayerSigmoid, ThreeLayerSigmoid, TwoLayerRelu]


def build(model: type[nn.Module] | str, **changes: Any) -> nn.Module:
    name = model if isinstance(model, str) else f"{model.__module__}:{model.__qualname__}"
    settings: dict[str, Any] = {
        "input_shape": (1, 28, 28),
        "classes": 10,
        "generator": torch.Generator().manual_seed(0),
        "seed": 0,
    }
    return build_model(name, **(settings | changes))


def images(count: int) -> torch.Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_outputs_one_row_per_image(model: type[nn.Module]) -> None:
    outputs = build(model)(images(3))
    assert outputs.shape == (3, 10)
    assert outputs.dtype == torch.float32
    assert build(model, classes=7)(images(2)).shape == (2, 7)


@pytest.mark.parametrize(
    ("model", "count"),
    [
        # conv 6 * 25 + 6, conv 16 * 150 + 16, conv 120 * 400 + 120, fc 120 * 84 + 84, 84 * 10 + 10
        (LeNet5Tanh, 156 + 2_416 + 48_120 + 10_164 + 850),
        # conv 32 * 25 + 32, conv 64 * 800 + 64, fc 3136 * 1024 + 1024, 1024 * 10 + 10
        (DeepMnist, 832 + 51_264 + 3_212_288 + 10_250),
        (FourLayerSigmoid, 12_560 + 272 + 170),
        (ThreeLayerSigmoid, 47_100 + 610),
        (TwoLayerRelu, 25_120 + 330),
        (SoftmaxRegression, 7_850),
    ],
)
def test_number_of_weights(model: type[nn.Module], count: int) -> None:
    net = build(model)
    assert sum(p.numel() for p in net.parameters()) == count
    assert f"{count:,} weights" in (model.__doc__ or "")


@pytest.mark.parametrize("model", IMAGE_MODELS)
def test_gradient_reaches_every_weight(model: type[nn.Module]) -> None:
    net = build(model)
    inputs = images(4)
    net(inputs)[:, 0].square().add(net(inputs)[:, 0]).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


class TakesShapeAndClasses(nn.Module):
    def __init__(self, *, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(input_shape), classes)


class HasNoConstructor(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)


class TakesNothing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)


class TakesAnything(nn.Module):
    def __init__(self, **keywords: Any) -> None:
        super().__init__()
        self.keywords = keywords
        self.linear = nn.Linear(math.prod(keywords["input_shape"]), keywords["classes"])


class PassesOn(LeNet):
    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)


@pytest.mark.parametrize("model", [TakesShapeAndClasses, TakesNothing, TakesAnything, PassesOn])
def test_a_model_receives_the_keywords_that_it_declares(model: type[nn.Module]) -> None:
    assert isinstance(build(model), model)


def test_a_model_without_a_constructor_receives_nothing() -> None:
    with pytest.raises(ConfigError, match="has no parameters to train"):
        build(HasNoConstructor)


def test_a_model_that_takes_anything_receives_everything() -> None:
    taken = build(TakesAnything, dropout=0.5, width=2).keywords
    assert isinstance(taken, dict)
    assert set(taken) == {"input_shape", "classes", "dropout", "generator", "width"}
    assert (taken["dropout"], taken["width"]) == (0.5, 2)
    # The class behind **kwargs may not take a width.
    assert "width" not in build(TakesAnything).keywords
    assert build(PassesOn, width=2).get_parameter("fc3.weight").shape == (10, 168)


def keywords(model: str) -> list[str]:
    """Return the keywords that a model declares."""
    return list(inspect.signature(load_object(registry.MODELS.get(model, model))).parameters)


@pytest.mark.parametrize(
    ("model", "setting"),
    [
        (model, setting)
        for model in [*sorted(registry.MODELS), f"{__name__}:TakesShapeAndClasses"]
        for setting in ("dropout", "width")
        if model not in registry.MODELS or setting not in keywords(model)
    ],
)
def test_a_setting_that_a_model_does_not_take_is_refused(model: str, setting: str) -> None:
    expected = f"takes no {setting} (its keywords: {', '.join(keywords(model))}): set {setting}="
    with pytest.raises(ConfigError, match=re.escape(expected)):
        build(model, **{setting: {"dropout": 0.5, "width": 2}[setting]})


def test_scalable_lists_the_models_that_take_a_width() -> None:
    scalable = {name for name in registry.MODELS if "width" in keywords(name)}
    assert scalable == registry.SCALABLE


def test_a_width_is_refused_before_torch_is_needed() -> None:
    with pytest.raises(ConfigError, match="model=softmax takes no width: leave it out, or use"):
        TrainConfig(model="softmax", width=2)


def test_softmax_regression_starts_at_zero() -> None:
    outputs = build(SoftmaxRegression)(images(2))
    assert torch.equal(outputs, torch.zeros(2, 10))


@pytest.mark.parametrize("model", FLUX_MODELS)
def test_flux_nets_start_glorot_uniform(model: type[nn.Module]) -> None:
    layers = [module for module in build(model).modules() if isinstance(module, nn.Linear)]
    for layer in layers:
        limit = math.sqrt(6 / (layer.in_features + layer.out_features))
        assert layer.bias.eq(0).all()
        assert layer.weight.abs().max() <= limit
        # The standard error of a uniform sample's standard deviation is below value / sqrt(2 n).
        deviation = limit / math.sqrt(3)
        error = deviation / math.sqrt(2 * layer.weight.numel())
        assert layer.weight.std().item() == pytest.approx(deviation, abs=4 * error)


def test_flux_nets_equal_their_formulas() -> None:
    x = images(5)
    for model in (FourLayerSigmoid, ThreeLayerSigmoid):
        net = build(model)
        expected = x.flatten(1)
        for module in net.modules():
            if isinstance(module, nn.Linear):
                expected = torch.sigmoid(F.linear(expected, module.weight, module.bias))
        assert torch.equal(net(x), expected)
        assert 0 < expected.min() < expected.max() < 1
    outputs = build(TwoLayerRelu)(x)
    assert outputs.min() < 0, "logits, not activations"


def test_deep_mnist_starts_as_in_the_tutorial() -> None:
    net = build(DeepMnist)
    for name, parameter in net.named_parameters():
        if name.endswith("bias"):
            assert parameter.eq(0.1).all(), name
        else:
            assert parameter.abs().max() <= 0.2, name
    # Truncation at two sigma multiplies the standard deviation of a normal by 0.8796.
    assert net.get_parameter("fc1.weight").std().item() == pytest.approx(0.08796, rel=2e-3)


def test_pooling_first_does_not_change_deep_mnist() -> None:
    net = build(DeepMnist).eval()
    x = images(4)

    def as_published(x: torch.Tensor) -> torch.Tensor:
        for name in ("conv1", "conv2"):
            x = F.max_pool2d(F.relu(net.get_submodule(name)(x)), 2)
        x = F.relu(net.get_submodule("fc1")(x.flatten(1)))
        logits: torch.Tensor = net.get_submodule("fc2")(x)
        return logits

    gradients = []
    for forward in (net, as_published):
        net.zero_grad(set_to_none=True)
        outputs = forward(x)
        F.cross_entropy(outputs, torch.arange(4)).backward()
        gradients.append([outputs, *(p.grad for p in net.parameters())])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [(3, 6, 8, 12), (1, 3, 2, 2), (2, 5, 7, 6), (2, 16, 4, 4)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_pooling_equals_torchs(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = torch.randn(shape, generator=generator)
    tied = torch.randint(0, 3, shape, generator=generator).float()
    for values in (smooth, tied):
        x = values.contiguous(memory_format=layout)
        expected = F.max_pool2d(x, 2)
        assert torch.equal(max_pool_2x2(x), expected)
        assert torch.equal(max_pool_2x2(x.clone().requires_grad_()), expected)
        stacked = torch.func.vmap(max_pool_2x2)(torch.stack([x, -x]))
        assert torch.equal(stacked[1], F.max_pool2d(-x, 2))


def test_deep_mnist_drops_only_in_training_and_with_the_given_generator() -> None:
    x = images(2)
    first, second = build(DeepMnist, dropout=0.5), build(DeepMnist, dropout=0.5)
    assert torch.equal(first(x), second(x)), "equal generators, equal masks"
    assert not torch.equal(first(x), first(x)), "a new mask every step"
    first.eval()
    second.eval()
    assert torch.equal(first(x), second(x))
    assert torch.equal(first(x), build(DeepMnist)(x))


def test_lenet5_tanh_reads_images_resized_as_the_report_resized_them() -> None:
    """Its code resized 8-bit images with Pillow, which rounds them."""
    net = build(LeNet5Tanh)
    x = images(3).mul(255).byte()
    bilinear = Image.Resampling.BILINEAR
    resized = [Image.fromarray(image.numpy()).resize((32, 32), bilinear) for image in x[:, 0]]
    expected = torch.from_numpy(np.stack([np.asarray(image) for image in resized]))[:, None] / 255
    for name in ("conv1", "conv2"):
        weight, bias = net.get_parameter(f"{name}.weight"), net.get_parameter(f"{name}.bias")
        expected = F.avg_pool2d(torch.tanh(F.conv2d(expected, weight, bias)), 2)
    expected = torch.tanh(net.get_submodule("conv3")(expected))
    assert expected.shape == (3, 120, 1, 1)
    expected = torch.tanh(net.get_submodule("fc1")(expected.flatten(1)))
    expected = net.get_submodule("fc2")(expected)
    assert torch.allclose(net(x / 255), expected, atol=1e-3)
    # Unlike padding, which keeps the digits' size.
    assert not torch.allclose(net(F.pad(x / 255, (2, 2, 2, 2))), expected, atol=1e-3)


def test_lenet5_tanh_reads_images_of_any_size() -> None:
    assert build(LeNet5Tanh, input_shape=(3, 20, 24))(torch.zeros(1, 3, 20, 24)).shape == (1, 10)


@pytest.mark.parametrize(
    ("model", "width", "weights"),
    [
        (LeNet, 1, 61_706),
        (LeNet, 2, 244_362),
        (DeepMnist, 1, 3_274_634),
        (DeepMnist, 2, 13_074_186),
    ],
)
def test_a_width_scales_channels_and_hidden_units(
    model: type[nn.Module], width: int, weights: int
) -> None:
    built = build(model, width=width)
    assert sum(p.numel() for p in built.parameters()) == weights
    assert built(images(2)).shape == (2, 10)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("raise SystemExit('usage: mynets')", "importing broken_net raises SystemExit: usage"),
        ("import no_such_package", "importing broken_net raises ModuleNotFoundError: No module"),
        ("x = 1", "broken_net has no Net"),
        ("def Net(): raise SystemExit(3)", "its constructor raises SystemExit: 3"),
        ("def Net(): raise KeyError('a\\nb')", "its constructor raises KeyError"),
    ],
)
def test_a_broken_module_of_the_user_is_one_line(content, message, tmp_path, monkeypatch):
    (tmp_path / "broken_net.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_net", raising=False)
    with pytest.raises(ConfigError, match=message) as error:
        build_model(
            "broken_net:Net",
            input_shape=(1, 28, 28),
            classes=10,
            generator=torch.Generator(),
            seed=0,
        )
    sys.modules.pop("broken_net", None)
    assert "\n" not in str(error.value)
