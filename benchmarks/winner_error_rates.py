"""Simulate how often each statistic announces a winner where there is none.

    python -m benchmarks.winner_error_rates [--samples 300]

Each cell draws runs of optimizers that are equal by construction, with 4 points and 3, 5 or 10
seeds, and counts the runs in which the rule names one of them as ahead. The rates under an effect
show what the rule finds if one optimizer is really ahead. An effect of 1 is one standard deviation
of a single result. The luck of a seed is *separate* at each point, or half of its variance is
*shared* by all points of the seed, as with common initial weights and orders of samples. The random
numbers of a cell depend on its name alone.
"""

from __future__ import annotations

import argparse
import itertools
import math
import zlib
from collections.abc import Callable

import numpy as np
import pandas as pd

from study.analysis import best_of_n, paired, statistics
from study.analysis.leader import lead
from study.analysis.lr_sensitivity import width
from study.analysis.proportion import proportion
from study.analysis.resampling import iqm, probability_of_improvement, stratified_bootstrap
from study.analysis.statistics import CONFIDENCE, NON_NEGATIVE
from study.analysis.time_to_target import ratios, score

SAMPLES = 300
SEEDS = (3, 5, 10)
NOISES = ("normal", "heavy tails", "skewed")
LUCKS = ("separate", "shared")
EFFECTS = {"none": 0.0, "1": 1.0}

_POINTS = 4
_RATES = np.logspace(-4, 0, 5)
_ERROR = 1 - CONFIDENCE

Draw = Callable[[int], np.ndarray]
"""Returns the scores of one run, shape (competitors, seeds, points)."""


def _noise(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return noise of mean 0 and standard deviation 1; higher is better."""
    if name == "normal":
        return random.standard_normal(shape)
    if name == "heavy tails":
        return random.standard_t(3, shape) / math.sqrt(3)
    return 1 - random.exponential(1, shape)  # rare large failures


def _drawer(random: np.random.Generator, noise: str, luck: str, effect: float, seeds: int) -> Draw:
    def draw(competitors: int) -> np.ndarray:
        scores = _noise(random, noise, (competitors, seeds, _POINTS))
        if luck == "shared":
            shared = _noise(random, noise, (competitors, seeds, 1))
            scores = (scores + shared) / math.sqrt(2)
        scores[0] += effect
        return scores

    return draw


def _apart(one: statistics.Mean, other: statistics.Mean) -> bool:
    return one.low > other.high or other.low > one.high


def _higher_mean(draw: Draw) -> bool:
    one, other = draw(2).mean(axis=(1, 2))
    return bool(one != other)


def _intervals_apart(draw: Draw) -> bool:
    one, other = (statistics.mean(scores.mean(axis=1)) for scores in draw(2))
    return _apart(one, other)


def _paired_t(draw: Draw) -> bool:
    one, other = draw(2)
    return paired.compare(one - other).p_seeds < _ERROR


def _signed_ranks_of_pairs(draw: Draw) -> bool:
    one, other = draw(2)
    return paired.signed_rank_p((one - other).ravel()) < _ERROR


def _signed_ranks_of_seeds(draw: Draw) -> bool:
    one, other = draw(2).mean(axis=2)
    return paired.signed_rank_p(one - other) < _ERROR


def _three_optimizers(draw: Draw, *, corrected: bool) -> bool:
    pairs = itertools.combinations(draw(3), 2)
    p_values = [paired.compare(one - other).p_seeds for one, other in pairs]
    return min(paired.holm(p_values) if corrected else p_values) < _ERROR


def _improvement(draw: Draw) -> bool:
    one, other = draw(2)
    found = stratified_bootstrap(probability_of_improvement, one, other)
    return not found.low <= 0.5 <= found.high


def _iqm(draw: Draw) -> bool:
    one, other = (stratified_bootstrap(iqm, scores) for scores in draw(2))
    return one.low > other.high or other.low > one.high


def _leader(draw: Draw, *, rivals: int) -> bool:
    points = [pd.Series(scores[:, 0]) for scores in draw(1 + rivals)]
    points.sort(key=lambda values: -float(values.mean()))
    return lead("", points).is_winner


def _curves(draw: Draw) -> np.ndarray:
    """Return results by rate, shape (competitors, seeds, rates): a parabola and noise."""
    noise = np.concatenate([draw(2), draw(2)], axis=2)[:, :, : len(_RATES)]
    return 90 - 2 * (np.log10(_RATES) + 2) ** 2 + 0.5 * noise


def _width(draw: Draw) -> bool:
    one, other = (
        statistics.mean(
            (width(_RATES.tolist(), row.tolist(), 5.0, is_maximized=True).decades for row in rows),
            NON_NEGATIVE,
        )
        for rows in _curves(draw)
    )
    return _apart(one, other)


def _best_of_two(draw: Draw) -> bool:
    one, other = (
        statistics.mean(best_of_n.expected_best(row)[1] for row in rows) for rows in _curves(draw)
    )
    return _apart(one, other)


def _profile_score(draw: Draw) -> bool:
    # Higher noise is a shorter time; the median over seeds is the time of an optimizer.
    one, other = score(ratios(pd.DataFrame(np.exp(-np.median(draw(2), axis=1)).T)))
    return bool(one != other)


def _diverged(draw: Draw) -> bool:
    """Compare shares of trials that diverged, each with a probability of about 16%."""
    one, other = (proportion(int((scores < -1).sum()), scores.size) for scores in draw(2))
    return one.low > other.high or other.low > one.high


RULES: dict[str, Callable[[Draw], bool]] = {
    "higher mean": _higher_mean,
    "higher AlgoPerf score": _profile_score,
    "intervals of two means apart": _intervals_apart,
    "paired t-test over seeds (decides)": _paired_t,
    "signed ranks over seeds": _signed_ranks_of_seeds,
    "signed ranks over pairs": _signed_ranks_of_pairs,
    "probability of improvement": _improvement,
    "interquartile means apart": _iqm,
    "3 optimizers, no correction": lambda draw: _three_optimizers(draw, corrected=False),
    "3 optimizers, Holm (decides)": lambda draw: _three_optimizers(draw, corrected=True),
    "best of 2 points (decides)": lambda draw: _leader(draw, rivals=1),
    "best of 8 points (decides)": lambda draw: _leader(draw, rivals=7),
    "widths of good rates apart": _width,
    "best-of-2 curves apart": _best_of_two,
    "shares diverged apart": _diverged,
}
"""by what announces a winner: a function that says whether it does, in one run"""

DECIDING = tuple(rule for rule in RULES if rule.endswith("(decides)"))
"""The rules by which a report announces a winner."""
_ALWAYS = ("higher mean", "higher AlgoPerf score")
"""The rules that have no interval. What the noise is makes no difference to them."""


def rate(rule: str, noise: str, luck: str, effect: str, seeds: int, *, samples: int) -> float:
    """Return the percentage of runs in which the rule announces a winner."""
    random = np.random.default_rng(zlib.crc32(repr((rule, noise, luck, effect, seeds)).encode()))
    draw = _drawer(random, noise, luck, EFFECTS[effect], seeds)
    return 100 * sum(RULES[rule](draw) for _ in range(samples)) / samples


def rows(samples: int) -> list[list[str]]:
    """Return the cells of the table."""
    found = []
    for rule, noise, luck in itertools.product(RULES, NOISES, LUCKS):
        if rule in _ALWAYS and (noise, luck) != (NOISES[0], LUCKS[0]):
            continue
        cells = [
            f"{rate(rule, noise, luck, effect, seeds, samples=samples):.1f}"
            for effect, seeds in itertools.product(EFFECTS, SEEDS)
        ]
        found.append([rule, noise, luck, *cells])
    return found


def text(samples: int) -> str:
    """Return the table as docs/results/bench/winner_error_rates.txt has it."""
    seeds = "".join(f"{n:>6}" for n in SEEDS)
    lines = [
        "How often a rule announces a winner, in % of simulated runs",
        "",
        f"command   python -m benchmarks.winner_error_rates --samples {samples}",
        f"runs      {samples:,} in each cell, with {_POINTS} points",
        "effect    none: all competitors are equal, so every announcement is false;",
        "          1: one is ahead by one standard deviation of a single result",
        "",
        f"{'rule':<36}{'noise':<13}{'luck':<10}{'no effect, seeds':>18}{'effect 1, seeds':>24}",
        f"{'':<59}{seeds}      {seeds}",
    ]
    for rule, noise, luck, *cells in rows(samples):
        none, one = cells[: len(SEEDS)], cells[len(SEEDS) :]
        lines.append(
            f"{rule:<36}{noise:<13}{luck:<10}{''.join(f'{c:>6}' for c in none)}      "
            f"{''.join(f'{c:>6}' for c in one)}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=SAMPLES, help="runs per cell")
    print(text(parser.parse_args().samples))


if __name__ == "__main__":
    main()
