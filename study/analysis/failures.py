"""What failed: the settings under which every point of a run stays at chance or diverges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd

from study.analysis.chance import chance_accuracy
from study.analysis.wording import describe_settings, label, pluralize

_AT_CHANCE = 1.2
"""An accuracy below this multiple of chance counts as no learning: a net that always predicts the
most frequent class of MNIST is correct on 11.35 % of the test set, 1.14 times chance."""
_MAX_SETTINGS = 2
_MAX_SENTENCES = 3


def failure_sentences(board: pd.DataFrame, objective: str, settings: Sequence[str]) -> list[str]:
    """Return a sentence for each setting, or pair of settings, under which no point learned.

    `board`: rows of a leaderboard. `settings`: its columns that tell points apart. A point failed
    if all its seeds diverged or its mean accuracy is at chance. A sentence needs two points or
    more; failed points that no sentence covers are counted at the end. Without `settings`, as for
    the scattered points of a search, all failed points are counted there. Points with a stopped
    trial are ignored.
    """
    # A trial that a scheduler stopped might have learned.
    board = board[board["stopped"] == 0]
    diverged = board["diverged"] == board["seeds"]
    at_chance = pd.Series(data=False, index=board.index)
    if objective.endswith("_accuracy"):
        for _, on_dataset in board.groupby("dataset"):
            chance = chance_accuracy(on_dataset)
            at_chance[on_dataset.index] = on_dataset[objective] < _AT_CHANCE * (chance or 0.0)
    failed = diverged | at_chance
    if not failed.any():
        return []
    if failed.all():
        return [f"Every point {_verb(diverged)}."]
    varied = [name for name in settings if board[name].nunique(dropna=False) > 1]
    covered = pd.Series(data=False, index=board.index)
    sentences: list[str] = []
    for names, values, rows in _groups(board, varied):
        new = failed[rows] & ~covered[rows]
        if len(rows) < 2 or not failed[rows].all() or not new.any():
            continue
        if len(sentences) == _MAX_SENTENCES:
            break
        covered[rows] = True
        others = [
            n for n in varied if n not in names and board.loc[rows, n].nunique(dropna=False) > 1
        ]
        every = " and ".join(f"every {label(name)}" for name in others)
        point = " with ".join(
            describe_settings({name: value}) for name, value in zip(names, values, strict=True)
        )
        sentences.append(f"{point[0].upper()}{point[1:]} {_verb(diverged[rows])} with {every}.")
    if rest := int((failed & ~covered).sum()):
        verb = _verb(diverged[failed & ~covered], plural=rest > 1)
        more = "more " if sentences else ""
        sentences.append(f"{pluralize(rest, f'{more}point')} {verb}.")
    return sentences


def _groups(
    board: pd.DataFrame, names: Sequence[str]
) -> list[tuple[tuple[str, ...], tuple[object, ...], pd.Index]]:
    """Return the rows of each setting, then of each pair of settings; larger groups first."""
    found = []
    for count in range(1, _MAX_SETTINGS + 1):
        of_count = [
            (chosen, key, rows.index)
            for chosen in itertools.combinations(names, count)
            for key, rows in board.groupby(list(chosen), dropna=False)
        ]
        found += sorted(of_count, key=lambda group: -len(group[2]))
    return found


def _verb(diverged: pd.Series, *, plural: bool = False) -> str:
    stay, diverge = ("stay", "diverge") if plural else ("stays", "diverges")
    if diverged.all():
        return diverge
    return f"{stay} at chance or {diverge}" if diverged.any() else f"{stay} at chance"
