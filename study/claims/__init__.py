"""Published claims, put to the test: a kind of claim per file.

A module here other than `evidence` and `judge` is a kind that `search_spaces.study.Claim` can
name. It has a pure function `verdict(evidence, **options) -> Verdict`. Imports neither Ray nor
torch.
"""

from study.analysis.results import ReportError


class ClaimError(ReportError):
    """A claim that cannot be judged as declared; the message is one line."""
