"""How numbers are written."""

from __future__ import annotations

from study.analysis.wording import format_measurement


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    assert format_measurement("validation_accuracy", -3e-9) == "0.00"
    assert format_measurement("test_loss", -0.0) == "0"
    assert format_measurement("test_loss", -3e-9) == "-3e-09"
