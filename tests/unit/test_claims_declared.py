"""The claims that the studies declare."""

import json
import math
from collections.abc import Mapping

import pytest

import search_spaces
from lenet import registry
from lenet.run_length import RunLength
from study.claims import judge


def test_every_claim_has_a_statement_and_a_source():
    for study in search_spaces.studies().values():
        names = [claim.name for claim in study.claims]
        assert len(set(names)) == len(names)
        for claim in study.claims:
            judge.KINDS.find(claim.kind)
            assert claim.statement.endswith(".")
            assert claim.source
            json.dumps(claim.published)


def _tested_by(claim, config):
    """Whether a config belongs to one of the sides of a claim."""
    sides = [
        claim.options[name]
        for name in ("where", "ahead", "behind", "steadier", "other", "wider", "than")
        if isinstance(claim.options.get(name), Mapping)
    ]

    def matches(side):
        for name, value in side.items():
            actual = getattr(config, name, None)
            if actual not in value if isinstance(value, frozenset) else actual != value:
                return False
        order = claim.options.get("best_first")
        return order is None or getattr(config, claim.options["setting"]) in order

    return any(matches(side) for side in sides)


@pytest.mark.parametrize("study", search_spaces.studies().values(), ids=lambda study: study.name)
def test_every_moment_of_a_claim_is_recorded_under_the_published_budget(study):
    """A claim about another moment could never be decided."""
    configs = [trial.config for trial in study.with_all_grids.plan("paper", seeds=1)]
    for claim in study.claims:
        for option in ("at", "by", "since", "to", "before", "after"):
            moment = claim.options.get(option)
            if not isinstance(moment, Mapping):  # a number, such as `best_value`'s margin
                continue
            tested = [config for config in configs if _tested_by(claim, config)]
            assert tested, claim.name
            for config in tested:
                total = registry.TRAINING_SAMPLES[config.dataset]
                held_out = round(total * config.validation_fraction)
                length = RunLength(config, min(total - held_out, config.train_samples or total))
                step = moment.get("step", moment.get("epoch", math.inf) * length.steps_per_epoch)
                # A shorter trial counts with its end.
                step = min(step, length.total_steps)
                assert length.next_record(step - 1) == step, (claim.name, config)
                if claim.options["quantity"].startswith(("test", "validation")):
                    assert length.evaluates_at(step), (claim.name, config)
