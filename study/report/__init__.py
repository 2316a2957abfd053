"""What a finished run found, said in print."""

from study.analysis.results import ReportError


class SpreadsheetError(ReportError):
    """A run that no spreadsheet can hold; the message is one line."""
