"""Analysis: from the tables of a finished run to answers.

Imports neither Ray nor torch, so a finished run can be read on a machine that has neither.
"""

from study.analysis.leaderboard import best_per_optimizer, leaderboard
from study.analysis.results import Results, ResultsError

__all__ = ["Results", "ResultsError", "best_per_optimizer", "leaderboard"]
