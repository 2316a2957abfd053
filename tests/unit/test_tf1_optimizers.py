"""TF1's optimizers: golden values, identities, edge cases, resuming."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import SGD, Adagrad, Adam, Optimizer

from lenet.optimizers.ftrl import Ftrl
from lenet.optimizers.proximal_adagrad import ProximalAdagrad
from lenet.optimizers.proximal_gd import ProximalGD
from lenet.optimizers.tf1_adam import TF1Adam
from lenet.optimizers.tf1_rmsprop import TF1RMSProp

OURS = [ProximalGD, ProximalAdagrad, Ftrl]

# torch's Adagrad as TF1 has it
TF1_ADAGRAD = {"initial_accumulator_value": 0.1, "eps": 0.0}

Build = Callable[..., Optimizer]


def weight(*values: float, dtype: torch.dtype = torch.float64) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor(values, dtype=dtype))


def take_step(optimizer: Optimizer, parameter: torch.nn.Parameter, *gradient: float) -> None:
    parameter.grad = torch.tensor(gradient, dtype=parameter.dtype)
    optimizer.step()


# ---- Golden values


# TensorFlow 1's "getting started" line after 1,000 steps at lr 0.01, computed in float32 with
# numpy. Under gradient descent, a rounding error shrinks by 1 - 0.01 * 1.19 per step, the slowest
# mode of the loss. Errors of half an ulp (3e-8) therefore add up to at most 3e-8 / 0.0119 = 2.5e-6.
# The other optimizers move less far; their values are exact to the digits shown.
@pytest.mark.parametrize(
    ("build", "settings", "slope", "intercept", "loss"),
    [
        (SGD, {}, -0.9999969, 0.9999908, 5.69997e-11),
        (ProximalGD, {}, -0.9999969, 0.9999908, 5.69997e-11),
        (Adagrad, TF1_ADAGRAD, -0.18505, -0.74388, 3.6652),
        (ProximalAdagrad, {}, -0.18505, -0.74388, 3.6652),
        (Ftrl, {}, -0.18691, -0.73803, 3.6530),
        (SGD, {"momentum": 0.9}, -1.0, 1.0, 0.0),
        (Adam, {}, -0.97120, 0.91829, 4.525e-3),
    ],
    ids=["gd", "proximal-gd", "adagrad", "proximal-adagrad", "ftrl", "momentum", "adam"],
)
def test_line_after_1000_steps(
    build: Build, settings: dict[str, Any], slope: float, intercept: float, loss: float
) -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1)
    y = torch.tensor([0.0, -1.0, -2.0, -3.0]).view(4, 1)
    line = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(line.weight, 0.3)
    torch.nn.init.constant_(line.bias, -0.3)
    optimizer = build(line.parameters(), lr=0.01, **settings)
    for _ in range(1000):
        optimizer.zero_grad()
        (line(x) - y).square().sum().backward()
        optimizer.step()
    exact = abs(slope) > 0.99  # at the optimum, the table has all digits of a float32
    tolerance = 2.5e-6 if exact else 1e-5
    assert line.weight.item() == pytest.approx(slope, abs=tolerance)
    assert line.bias.item() == pytest.approx(intercept, abs=tolerance)
    # The loss is off by about its curvature, 30, times the tolerance squared at the optimum.
    final = (line(x) - y).square().sum().item()
    assert final == pytest.approx(loss, rel=0 if exact else 1e-4, abs=2e-10)


# ---- Update rules by hand


def test_proximal_gd_by_hand() -> None:
    w = weight(1.0, -1.0, 0.1)
    optimizer = ProximalGD([w], lr=0.1, l1=1.0, l2=2.0)
    take_step(optimizer, w, 0.5, 0.5, 0.5)
    # v = 0.95, -1.05, 0.05; threshold 0.1; divisor 1.2
    assert w.tolist() == pytest.approx([0.85 / 1.2, -0.95 / 1.2, 0.0], rel=1e-14)


def test_proximal_adagrad_by_hand() -> None:
    w = weight(1.0)
    optimizer = ProximalAdagrad([w], lr=0.1, l1=1.0, l2=2.0, initial_accumulator_value=0.75)
    take_step(optimizer, w, 0.5)
    # a = 0.75 + 0.25 = 1, so eta = 0.1: as above
    assert w.item() == pytest.approx(0.85 / 1.2, rel=1e-14)
    take_step(optimizer, w, math.sqrt(3))
    # a = 4, eta = 0.05
    after = (0.85 / 1.2 - 0.05 * math.sqrt(3) - 0.05) / 1.1
    assert w.item() == pytest.approx(after, rel=1e-14)


def test_ftrl_by_hand() -> None:
    w = weight(1.0)
    optimizer = Ftrl([w], lr=0.1, l1=0.2, l2=1.0, initial_accumulator_value=0.75)
    take_step(optimizer, w, 0.5)
    # n' = 1; z = 0.5 - (1 - 0.8660254) / 0.1 = -0.8397460; w = (-0.2 + 0.8397460) / (10 + 2)
    assert w.item() == pytest.approx(0.05331216, abs=1e-8)
    take_step(optimizer, w, -math.sqrt(3))
    # n' = 4; z = -0.8397460 - 1.7320508 - (2 - 1) / 0.1 * 0.05331216 = -3.1049184;
    # w = (-0.2 + 3.1049184) / (20 + 2)
    assert w.item() == pytest.approx(0.13204175, abs=1e-8)


def test_rmsprop_by_hand() -> None:
    w = weight(1.0)
    optimizer = TF1RMSProp([w], lr=0.1, rho=0.75, momentum=0.5, eps=0.0)
    take_step(optimizer, w, 2.0)
    # s = 0.75 + 0.25 * 4 = 1.75; b = 0.2 / sqrt(1.75)
    first = 0.2 / math.sqrt(1.75)
    assert w.item() == pytest.approx(1 - first, rel=1e-14)
    optimizer.param_groups[0]["lr"] = 0.01  # scales the new gradient, not the buffer
    take_step(optimizer, w, -1.0)
    # s = 0.75 * 1.75 + 0.25 = 1.5625, whose root is 1.25
    assert w.item() == pytest.approx(1 - first - (first / 2 - 0.01 / 1.25), rel=1e-14)


def test_adam_by_hand() -> None:
    w = weight(1.0)
    optimizer = TF1Adam([w], lr=0.1, betas=(0.5, 0.75), eps=0.5)
    take_step(optimizer, w, 2.0)
    # m = 1, v = 1: 0.1 * sqrt(0.25) / 0.5 * 1 / (1 + 0.5)
    assert w.item() == pytest.approx(1 - 0.1 / 1.5, rel=1e-14)
    take_step(optimizer, w, -1.0)
    # m = 0, v = 0.75 + 0.25 = 1
    assert w.item() == pytest.approx(1 - 0.1 / 1.5, rel=1e-14)
    take_step(optimizer, w, 1.0)
    # m = 0.5, v = 1; corrections 1 - 0.5^3 and 1 - 0.75^3
    rate = 0.1 * math.sqrt(1 - 0.75**3) / (1 - 0.5**3)
    assert w.item() == pytest.approx(1 - 0.1 / 1.5 - rate * 0.5 / 1.5, rel=1e-14)


def tf1_step(kind: Build, w: float, g: float, slots: dict[str, float], **h: float) -> float:
    """Return one weight after one step, computed as in the reference: sign, max, select."""
    lr, l1, l2 = h["lr"], h["l1"], h["l2"]

    def prox(v: float, eta: float) -> float:
        return math.copysign(1, v) * max(abs(v) - eta * l1, 0) / (1 + eta * l2)

    if kind is ProximalGD:
        return prox(w - lr * g, lr)
    before = slots.setdefault("accumulator", 0.1)
    slots["accumulator"] = before + g * g
    if kind is ProximalAdagrad:
        eta = lr / math.sqrt(slots["accumulator"])
        return prox(w - eta * g, eta)
    root = math.sqrt(slots["accumulator"])
    z = slots.setdefault("linear", 0.0) + g - (root - math.sqrt(before)) / lr * w
    slots["linear"] = z
    return (math.copysign(l1, z) - z) / (root / lr + 2 * l2) if abs(z) > l1 else 0.0


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.7), (0.3, 0.7)])
def test_a_hundred_steps_of_the_rule(kind: Build, l1: float, l2: float) -> None:
    settings = {"lr": 0.05, "l1": l1, "l2": l2}
    draws = torch.Generator().manual_seed(3)
    start = torch.randn(20, generator=draws, dtype=torch.float64)
    w = torch.nn.Parameter(start.clone())
    optimizer = kind([w], **settings)
    expected: list[float] = start.tolist()
    slots: list[dict[str, float]] = [{} for _ in start]
    for _ in range(100):
        gradient = torch.randn(20, generator=draws, dtype=torch.float64).tolist()
        take_step(optimizer, w, *gradient)
        expected = [
            tf1_step(kind, value, g, slot, **settings)
            for value, g, slot in zip(expected, gradient, slots, strict=True)
        ]
    assert w.tolist() == pytest.approx(expected, rel=1e-10, abs=1e-13)


# ---- Identities


@pytest.mark.parametrize(
    ("ours", "torchs", "settings"),
    [(ProximalGD, SGD, {}), (ProximalAdagrad, Adagrad, TF1_ADAGRAD)],
    ids=["sgd", "adagrad"],
)
def test_without_penalties_it_is(ours: Build, torchs: Build, settings: dict[str, float]) -> None:
    ends = []
    for build, extra in ((ours, {}), (torchs, settings)):
        net = small_net()
        train(net, build(net.parameters(), lr=0.1, **extra), steps=50)
        ends.append(torch.nn.utils.parameters_to_vector(net.parameters()).detach())
    # ProximalGD does the same operation as SGD. ProximalAdagrad rounds eta before multiplying.
    tolerance = 0.0 if torchs is SGD else 1e-5
    torch.testing.assert_close(ends[0], ends[1], rtol=tolerance, atol=tolerance / 10)


# ---- Zero gradients


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("l1", [0.0, 0.1])
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("gradient", [0.0, 1e-30, 1e-22, 1e-19], ids=str)
def test_no_gradient_makes_no_nan(kind: Build, l1: float, l2: float, gradient: float) -> None:
    smallest = {ProximalAdagrad: 1.2e-38, Ftrl: 0.0}
    starts = [{}, {"initial_accumulator_value": smallest[kind]}] if kind in smallest else [{}]
    for settings in starts:
        w = weight(0.3, 0.0, -2.0, dtype=torch.float32)
        optimizer = kind([w], lr=0.01, l1=l1, l2=l2, **settings)
        for _ in range(3):
            take_step(optimizer, w, gradient, gradient, -gradient)
            assert w.isfinite().all()
            assert (w.abs() <= 2).all()


def test_ftrl_forgets_weights_that_never_had_a_gradient() -> None:
    for start in (0.0, 0.1):
        w = weight(0.3, -2.0)
        take_step(Ftrl([w], lr=0.01, initial_accumulator_value=start), w, 0.0, 0.0)
        assert w.tolist() == [0.0, 0.0]


def test_ftrl_keeps_the_documented_fraction_of_a_weight() -> None:
    w, lr, g = weight(2.0), 0.01, 0.3
    take_step(Ftrl([w], lr=lr), w, g)
    root = math.sqrt(0.1 + g * g)
    fraction = 1 - math.sqrt(0.1) / root
    assert w.item() == pytest.approx(2.0 * fraction - lr * g / root, rel=1e-12)


# ---- Penalties


@pytest.mark.parametrize("kind", [ProximalGD, ProximalAdagrad])
def test_l1_and_l2_reach_the_exact_minimum(kind: Build) -> None:
    # The minimum of (w - c)^2 / 2 + l1 |w| + l2 / 2 w^2 is sign(c) max(|c| - l1, 0) / (1 + l2).
    target = torch.tensor([3.0, -2.0, 0.4, -0.4, 0.0], dtype=torch.float64)
    w = weight(1.0, 1.0, 1.0, 1.0, 1.0)
    optimizer = kind([w], lr=0.5, l1=0.5, l2=0.25)
    for _ in range(500):
        take_step(optimizer, w, *(w.detach() - target).tolist())
    assert w.tolist() == pytest.approx([2.0, -1.2, 0.0, 0.0, 0.0], abs=1e-9)
    assert w.tolist()[2:] == [0.0, 0.0, 0.0]


def test_l1_keeps_ftrl_sparse() -> None:
    # A weight stays at 0 as long as the sum of its gradients is at most l1.
    w = weight(0.0, 0.0, 0.0)
    optimizer = Ftrl([w], lr=0.1, l1=1.0)
    for step in range(1, 11):
        take_step(optimizer, w, 0.09, -0.25, 0.5 * (-1) ** step)
        assert [value == 0 for value in w.tolist()] == [True, step <= 4, True]


def test_l2_divides_the_weight_at_every_step() -> None:
    # Without a gradient, each step divides by 1 + eta * l2.
    for optimizer_class, eta in ((ProximalGD, 0.1), (ProximalAdagrad, 0.1 / math.sqrt(0.1))):
        w = weight(2.0, -3.0)
        optimizer = optimizer_class([w], lr=0.1, l2=0.5)
        for _ in range(10):
            take_step(optimizer, w, 0.0, 0.0)
        shrunk = (1 + eta * 0.5) ** -10
        assert w.tolist() == pytest.approx([2.0 * shrunk, -3.0 * shrunk], rel=1e-12)


def test_ftrl_l2_is_in_the_denominator() -> None:
    ends = []
    for l2 in (0.0, 5.0):
        w = weight(0.0)
        take_step(Ftrl([w], lr=0.1, l2=l2, initial_accumulator_value=0.75), w, 0.5)
        ends.append(w.item())
    assert ends == pytest.approx([-0.5 / 10, -0.5 / (10 + 2 * 5)], rel=1e-12)


# ---- The interface of torch.optim


def small_net() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3), torch.nn.Flatten()
        )


def train(net: torch.nn.Module, optimizer: Optimizer, *, steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        draws = torch.Generator().manual_seed(step)
        x = torch.randn(16, 5, generator=draws)
        optimizer.zero_grad()
        (net(x) - x[:, :3].abs()).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", OURS)
def test_resuming_is_bit_equal(kind: Build) -> None:
    def new() -> tuple[torch.nn.Module, Optimizer]:
        net = small_net()
        return net, kind(net.parameters(), lr=0.1, l1=1e-3, l2=1e-3)

    through, optimizer = new()
    train(through, optimizer, steps=20)

    saved, optimizer = new()
    train(saved, optimizer, steps=7)
    file = io.BytesIO()
    torch.save((saved.state_dict(), optimizer.state_dict()), file)
    file.seek(0)
    resumed, optimizer = new()
    net_state, optimizer_state = torch.load(file)
    resumed.load_state_dict(net_state)
    optimizer.load_state_dict(optimizer_state)
    train(resumed, optimizer, steps=13, first=7)

    for one, other in zip(through.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", OURS)
def test_groups_closure_and_missing_gradients(kind: Build) -> None:
    fast, slow, idle = weight(1.0), weight(1.0), weight(1.0)
    groups = [{"params": [fast, idle]}, {"params": [slow], "lr": 0.01}, {"params": [weight(1.0)]}]
    optimizer = kind(groups, lr=0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (fast + slow).square().sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 4.0
    for parameter, lr in ((fast, 0.1), (slow, 0.01)):
        alone = weight(1.0)
        take_step(kind([alone], lr=lr), alone, 4.0)
        assert parameter.item() == alone.item() != 1.0
    assert idle.item() == 1.0
    assert idle not in optimizer.state


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.0),
        ("lr", -0.1),
        ("lr", math.nan),
        ("lr", math.inf),
        ("l1", -1.0),
        ("l1", math.nan),
        ("l2", -1.0),
        ("l2", math.inf),
    ],
)
def test_values_out_of_range_are_refused(kind: Build, name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be finite"):
        kind([weight(1.0)], **({"lr": 0.1} | {name: value}))
    with pytest.raises(ValueError, match=rf"^{name} must be finite"):
        kind([{"params": [weight(1.0)], name: value}], lr=0.1)


@pytest.mark.parametrize(
    ("name", "value"), [("lr", math.nan), ("rho", 1.0), ("momentum", -0.1), ("eps", math.inf)]
)
def test_settings_of_rmsprop_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        TF1RMSProp([weight(1.0)], **({"lr": 0.1} | {name: value}))


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        (Ftrl, -0.1),
        (Ftrl, math.nan),
        (ProximalAdagrad, 0.0),
        (ProximalAdagrad, 1e-46),
        (ProximalAdagrad, math.nan),
        (ProximalAdagrad, math.inf),
    ],
)
def test_accumulators_out_of_range_are_refused(kind: Build, start: float) -> None:
    with pytest.raises(ValueError, match=r"^initial_accumulator_value must be finite"):
        kind([weight(1.0)], lr=0.1, initial_accumulator_value=start)


def test_ftrl_refuses_a_learning_rate_that_fell_to_zero() -> None:
    w = weight(1.0)
    optimizer = Ftrl([w], lr=0.1)
    optimizer.param_groups[0]["lr"] = 0.0
    with pytest.raises(ValueError, match="lr must be finite and above 0"):
        take_step(optimizer, w, 1.0)
    assert w.item() == 1.0
