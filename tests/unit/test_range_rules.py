"""The range-test rules that carry a tool's name, against the tools' own answers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from study.analysis.range_rules import ONE_ORDER_BELOW, RULES, Rule
from tests.golden.range_curves import ANSWERS, range_curves

_GOLDEN = json.loads(ANSWERS.read_text(encoding="utf-8"))["answers"]
_CURVES = range_curves()
_RULES = {rule.name: rule for rule in RULES}


@pytest.mark.parametrize("name", _CURVES)
def test_a_rule_named_after_a_tool_answers_what_the_tool_does(name: str) -> None:
    curve = _CURVES[name]
    for rule_name, lr in _GOLDEN[name].items():
        tool, rule = rule_name.split()[0], _RULES[rule_name]
        lrs, losses = curve.lrs(tool), curve.losses.astype(float)
        index = rule.pick(lrs, losses, len(losses))
        found = None if index is None else rule.suggested_lr(lrs, index)
        # fastai's learning rates are float32.
        assert found == (None if lr is None else pytest.approx(lr, rel=1e-6)), rule_name


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule is not ONE_ORDER_BELOW])
def test_every_rule_of_a_tool_is_compared_on_twenty_curves(rule: Rule) -> None:
    answers = [rows[rule.name] for rows in _GOLDEN.values() if rule.name in rows]
    assert len([lr for lr in answers if lr is not None]) >= 20
    assert None in answers


def test_lightning_hides_small_falls_at_the_first_learning_rates() -> None:
    """Its smoothed loss rises for long, so a fall of 2% there does not show."""
    lrs = np.geomspace(1e-8, 1, 100)
    losses = np.where(np.arange(100) < 20, 2.3, 2.25)
    losses[60:] = np.linspace(2.25, 0.5, 40)
    index = _RULES["Lightning"].pick(lrs, losses, 100)
    assert index is not None
    assert index > 40
