"""What is concluded: from the tables of a finished run to answers.

Imports neither Ray nor torch, so that a finished run can be read on a machine that has
neither.
"""

from study.analysis.leaderboard import best_per_optimizer, leaderboard
from study.analysis.tables import Tables, TablesError

__all__ = ["Tables", "TablesError", "best_per_optimizer", "leaderboard"]
