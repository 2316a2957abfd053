"""The loss curves on which the tools' range tests and our rules are compared. Only numpy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ANSWERS = Path(__file__).with_name("range_rules.json")
_CHANCE = 2.3


@dataclass(frozen=True)
class RangeCurve:
    """The loss at each step of a ramp, and the ramp's ends."""

    losses: np.ndarray
    """float32, a value per step of the whole ramp; a tool may stop before its end"""
    first_lr: float = 1e-7
    last_lr: float = 10.0
    linear: bool = False
    """whether the learning rate rises by a constant difference; fastai's always multiplies"""

    def lrs(self, tool: str) -> np.ndarray:
        """Return the learning rate of each step as the tool spaces them, float64.

        They differ slightly: fastai would reach the last rate a step after the ramp, Lightning
        skips the second rate. The script checks that the tools' own are these.
        """
        steps = len(self.losses)
        rise = np.arange(steps) / {"torch-lr-finder": steps - 1}.get(tool, steps)
        if tool == "Lightning":
            rise[1:] += 1 / steps
        if self.linear:
            return self.first_lr + rise * (self.last_lr - self.first_lr)
        return self.first_lr * (self.last_lr / self.first_lr) ** rise


def range_curves() -> dict[str, RangeCurve]:
    """Return all curves by name: made-up ones, then those of LeNet on MNIST."""
    curves = {name: RangeCurve(_rounded(losses)) for name, losses in _made_up().items()}
    narrow = _valley(np.linspace(-8, 0, 100), 0.02)
    curves["noisy, 1e-8 to 1"] = RangeCurve(_rounded(narrow), first_lr=1e-8, last_lr=1.0)
    rates = np.linspace(1e-5, 1, 100)
    for noise in (0.0, 0.05):
        losses = _CHANCE * np.exp(-4 * rates) + 30 * np.clip(rates - 0.6, 0, None) ** 2
        losses += noise * _draws(100, 31)
        curves[f"linear, noise {noise:g}"] = RangeCurve(_rounded(losses), 1e-5, 1.0, linear=True)
    for name, real in json.loads(ANSWERS.read_text(encoding="utf-8"))["real"].items():
        losses = np.asarray(real["losses"], dtype=np.float32)
        curves[name] = RangeCurve(losses, real["first_lr"], real["last_lr"])
    return curves


def _made_up() -> dict[str, np.ndarray]:
    """Return the losses of made-up ramps from 1e-7 to 10."""
    decade = np.linspace(-7, 1, 100)
    flat = np.full(100, _CHANCE)
    blow_up = 40 * np.clip(decade, 0, None) ** 2
    curves = {
        "smooth": _valley(decade),
        "smooth, 40 steps": _valley(np.linspace(-7, 1, 40)),
        "smooth, 430 steps": _valley(np.linspace(-7, 1, 430)),
        "falls early": _valley(decade + 2),
        "falls late": _valley(decade - 1),
        "noise 0.02": _valley(decade, 0.02),
        "noise 0.1": _valley(decade, 0.1, seed=1),
        "noise 0.3": _valley(decade, 0.3, seed=2),
        "noise 0.1, 158 steps": _valley(np.linspace(-7, 1, 158), 0.1, seed=3),
        "monotone, falls": np.linspace(3, 1, 100),
        "monotone, falls, then faster": 3 - np.linspace(0, 1.5, 100) ** 2,
        "monotone, rises": np.linspace(1, 3, 100),
        "flat": flat,
        "flat, noise 0.05": flat + 0.05 * _draws(100, 4),
        "flat, then diverges": flat + blow_up,
        "flat, then diverges, noise 0.05": flat + blow_up + 0.05 * _draws(100, 5),
        "rises at once": flat + np.linspace(0, 3, 100) ** 3,
        "two valleys": _valley(decade + 2) / 2 + _valley(decade - 0.3) / 2,
        "two valleys, noise 0.05": (_valley(decade + 2.5) / 2 + _valley(decade, 0.1, seed=6) / 2),
        "staircase": np.round(_valley(decade), 1),
        "one spike": _valley(decade) + 1.5 * (np.arange(100) == 45),
        "12 steps": _valley(np.linspace(-7, 1, 12)),
        "17 steps": _valley(np.linspace(-7, 1, 17)),
    }
    for name, step, value in (
        ("NaN at the end", 92, np.nan),
        ("NaN in the last step", 99, np.nan),
        ("NaN in the middle", 60, np.nan),
        ("NaN early", 14, np.nan),
        ("infinite at the end", 88, np.inf),
        ("infinite early", 13, np.inf),
    ):
        losses = _valley(decade, 0.02, seed=7)
        losses[step:] = value
        curves[name] = losses
    return curves


def _valley(decade: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return losses that fall around 1e-3 and blow up from 0.3 on; `decade`: log10 of the LR."""
    fall = 2.0 / (1 + np.exp(-4 * (decade + 3)))
    blow_up = 60.0 * np.clip(decade + 0.5, 0, None) ** 3
    return _CHANCE - fall + blow_up + noise * _draws(len(decade), seed)


def _draws(size: int, seed: int) -> np.ndarray:
    """Return normal draws. RandomState's are the same in every version of numpy."""
    return np.random.RandomState(seed).standard_normal(size)


def _rounded(losses: np.ndarray) -> np.ndarray:
    return np.round(losses, 5).astype(np.float32)
