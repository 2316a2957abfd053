"""Simulate how often verdicts are false, and print the tables of docs/verdicts.md.

    python -m benchmarks.verdict_error_rates [--samples 2000]

Each cell draws the values of runs whose true effect is known and judges them by the rules of
`study.claims`. An effect of 1 is one standard deviation between seeds; it is positive if the claim
is true and negative if the opposite is. The random numbers of a cell depend on its name alone.
"""

from __future__ import annotations

import argparse
import itertools
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from study.analysis.statistics import CONFIDENCE, SHARE
from study.analysis.trend import page_trend
from study.claims import trend
from study.claims.verdict import (
    EQUIVALENT,
    NOT_REPRODUCED,
    REPRODUCED,
    UNDECIDED,
    Bounds,
    Rule,
    SeedValues,
)

SAMPLES = 2_000
SEEDS = (3, 5, 10)
MORE = (2, 8)
"""how many times as many seeds a claim has in all if the first leave it undecided"""
EFFECTS = {"none": 0.0, "small": 0.5, "large": 3.0, "large, opposite": -3.0}

_POSITIONS = 4
"""values that a trend is about"""
_BOUND = 0.95
"""an accuracy that a value is claimed to exceed"""

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
"""Draws noise of mean 0 and standard deviation 1 in a given shape; seeds are the second axis."""


def _normal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_normal(shape)


def _heavy_tails(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return random.standard_t(3, shape) / np.sqrt(3)


def _skewed(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return noise with rare large values on the side of failure."""
    return 1 - random.exponential(1, shape)


def _unequal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return normal noise, five times as large for the last value of a trend."""
    return random.standard_normal(shape) * np.where(np.arange(shape[-1]) == shape[-1] - 1, 5, 1)


NOISES: dict[str, Noise] = {
    "normal": _normal,
    "heavy tails": _heavy_tails,
    "skewed": _skewed,
    "unequal": _unequal,
}


def _differences(
    noise: np.ndarray, effect: float, *, band: float | None = None, confidence: float = CONFIDENCE
) -> Iterator[str]:
    """Judge differences of accuracies; `noise` has the shape (samples, seeds, points)."""
    rule = Rule(Bounds(low=0.0), SHARE.of_differences(), band=band)
    for sample in 0.01 * (effect + noise):
        points = [SeedValues(str(i), values.tolist()) for i, values in enumerate(sample.T)]
        yield rule.decide(points, confidence)[0]


def _values(noise: np.ndarray, effect: float) -> Iterator[str]:
    """Judge accuracies that are claimed to exceed a bound."""
    rule = Rule(Bounds(low=_BOUND), SHARE)
    for sample in np.clip(_BOUND + 0.005 * (effect + noise), 0, 1):
        points = [SeedValues(str(i), values.tolist()) for i, values in enumerate(sample.T)]
        yield rule.decide(points)[0]


def _trends(noise: np.ndarray, effect: float) -> Iterator[str]:
    """Judge trends; `noise` has the shape (samples, seeds, points, positions)."""
    order = effect * np.arange(_POSITIONS) / (_POSITIONS - 1)
    for sample in order - noise:
        points = [
            trend.TrendPoint(str(i), (), page_trend(sample[:, i])) for i in range(sample.shape[1])
        ]
        yield trend.decide(points, trend.ERROR)[0]


Judge = Callable[[np.ndarray, float], Iterator[str]]
CLAIMS: dict[str, tuple[Judge, tuple[int, ...], tuple[str, ...]]] = {
    "a difference": (
        _differences,
        (1,),
        ("normal", "heavy tails", "skewed"),
    ),
    "four differences": (_differences, (4,), ("normal", "heavy tails", "skewed")),
    "a bound on a value": (_values, (1,), ("normal", "heavy tails", "skewed")),
    "a trend over four values": (
        _trends,
        (1, _POSITIONS),
        ("normal", "heavy tails", "skewed", "unequal"),
    ),
    "four trends over four values": (_trends, (4, _POSITIONS), ("normal", "heavy tails")),
}
"""by what a claim is about: the rule, the shape of the noise of a seed, and its kinds"""

ADDED_TO = ("a difference", "a trend over four values")
"""the claims whose error rates are simulated with seeds that are added later"""


def rates(claim: str, noise: str, effect: str, seeds: int, samples: int) -> tuple[float, float]:
    """Return the percentages of samples that are reproduced and that are not reproduced."""
    judge, shape, _ = CLAIMS[claim]
    drawn = NOISES[noise](_random(claim, noise, effect, seeds), (samples, seeds, *shape))
    counts = Counter(judge(drawn, EFFECTS[effect]))
    return 100 * counts[REPRODUCED] / samples, 100 * counts[NOT_REPRODUCED] / samples


def rates_after_more(
    claim: str, noise: str, seeds: int, more: int, samples: int
) -> tuple[float, float]:
    """Return the percentages, without an effect, if the undecided are judged with more seeds."""
    judge, shape, _ = CLAIMS[claim]
    drawn = NOISES[noise](
        _random("more", claim, noise, seeds, more), (samples, more * seeds, *shape)
    )
    first = np.array(list(judge(drawn[:, :seeds], 0.0)))
    counts = Counter(first) + Counter(judge(drawn[first == UNDECIDED], 0.0))
    return 100 * counts[REPRODUCED] / samples, 100 * counts[NOT_REPRODUCED] / samples


def equivalent_rate(effect: float, noise: str, seeds: int, samples: int) -> float:
    """Return the percentage that is equivalent if the band is one standard deviation."""
    drawn = NOISES[noise](_random("band", noise, effect, seeds), (samples, seeds, 1))
    found = Counter(_differences(drawn, effect, band=0.01))
    return 100 * found[EQUIVALENT] / samples


def skewed_rate(confidence: float, seeds: int, samples: int) -> float:
    """Return the percentage of skewed differences without an effect that is reproduced."""
    drawn = _skewed(_random("level", seeds), (samples, seeds, 1))
    found = Counter(_differences(drawn, 0.0, confidence=confidence))
    return 100 * found[REPRODUCED] / samples


def tables(samples: int) -> dict[str, list[list[str]]]:
    """Return the cells of each table by what it is about."""
    found: dict[str, list[list[str]]] = {}
    for claim, (_, _, noises) in CLAIMS.items():
        found[claim] = []
        for effect, noise in itertools.product(EFFECTS, noises):
            cells = [rates(claim, noise, effect, seeds, samples) for seeds in SEEDS]
            found[claim].append([effect, noise, *(f"{yes:.1f} / {no:.1f}" for yes, no in cells)])
    title = "no effect, and seeds added to undecided claims"
    found[title] = []
    for claim, more in itertools.product(ADDED_TO, MORE):
        for noise in CLAIMS[claim][2]:
            cells = [rates_after_more(claim, noise, seeds, more, samples) for seeds in SEEDS]
            row = [f"{claim}, {more} times as many", noise]
            found[title].append([*row, *(f"{yes:.1f} / {no:.1f}" for yes, no in cells)])
    found["equivalent within a band of 1"] = [
        [f"{effect:g}", noise]
        + [f"{equivalent_rate(effect, noise, seeds, samples):.1f}" for seeds in SEEDS]
        for effect, noise in itertools.product((0.0, 1.0, 2.0), ("normal", "heavy tails", "skewed"))
    ]
    found["reproduced without an effect, by the level"] = [
        [f"level {100 * level:g}%", "skewed"]
        + [f"{skewed_rate(level, seeds, samples):.1f}" for seeds in SEEDS]
        for level in (0.95, 0.99, 0.999)
    ]
    return found


def markdown(found: dict[str, list[list[str]]]) -> str:
    """Return the tables as docs/verdicts.md has them."""
    lines = []
    for title, rows in found.items():
        lines += [f"### {title[0].upper()}{title[1:]}", ""]
        lines += [f"| effect | noise | {' | '.join(f'{seeds} seeds' for seeds in SEEDS)} |"]
        lines += [
            "| --- | --- | --- | --- | --- |",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    return "\n".join(lines)


def _random(*cell: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(cell).encode()))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=SAMPLES, help="runs per cell")
    print(markdown(tables(parser.parse_args().samples)))


if __name__ == "__main__":
    main()
