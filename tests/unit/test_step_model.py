"""The step-time model and its break-even batch, on made-up timings with known answers."""

import dataclasses
import math

import pytest

from study.analysis import speedup, step_model
from study.analysis.step_model import StepMeasurement, StepTime
from tests.unit.made_up_scaling import MODEL, gradient_bytes


def made_up_points(model, workers=(1, 2, 4), batches=(64, 128, 512), widths=(1, 2, 4)):
    return [
        StepMeasurement(
            workers=n,
            batch=batch,
            width=width,
            gradient_bytes=gradient_bytes(width),
            compute_seconds=model.slowdown(n)
            * model.compute_seconds(math.ceil(batch / n), width, gradient_bytes(width)),
            communication_seconds=model.communication_seconds(n, gradient_bytes(width)),
            step_seconds=model.step_seconds(n, batch, width, gradient_bytes(width)),
            median_seconds=model.step_seconds(n, batch, width, gradient_bytes(width)),
        )
        for n in workers
        for batch in batches
        for width in widths
    ]


def split(points):
    """Return the measurements to fit on, and those held out."""
    places = step_model.held_out_workloads(points)
    return [p for p in points if p.workload not in places], [
        p for p in points if p.workload in places
    ]


def test_the_fit_finds_the_model_that_made_the_timings():
    on, held_out = split(made_up_points(MODEL))
    model = step_model.fit(on)
    assert terms(model) == pytest.approx(terms(MODEL), rel=1e-6)
    assert model.slowdowns == pytest.approx({2: 1, 4: 1})
    assert len(held_out) == 6
    errors = [step_model.relative_error(model, p) for p in held_out]
    assert errors == pytest.approx([0] * len(held_out), abs=1e-6)


def terms(model):
    return [getattr(model, f.name) for f in dataclasses.fields(model) if f.name != "slowdowns"]


def test_slowdowns_are_separated_from_the_cost_of_samples():
    model = dataclasses.replace(MODEL, slowdowns={2: 1.25, 4: 1.5})
    on, held_out = split(made_up_points(model))
    found = step_model.fit(on)
    assert terms(found) == pytest.approx(terms(MODEL), rel=1e-6)
    assert found.slowdowns == pytest.approx(model.slowdowns)
    assert [found.slowdown(n) for n in (1, 3, 16)] == pytest.approx([1, 1.25, 1.5])
    errors = [step_model.relative_error(found, p) for p in held_out]
    assert errors == pytest.approx([0] * len(held_out), abs=1e-6)
    # No worker computed a shard alone, so slowdowns cannot be separated from samples.
    assert step_model.fit(made_up_points(model, batches=(64,))).slowdowns == {}


def test_latency_grows_with_the_messages_of_the_ring():
    model = dataclasses.replace(MODEL, latency=1.0, seconds_per_byte=0.0)
    assert [model.communication_seconds(n, 1000) for n in (1, 2, 4, 8)] == [0, 2, 6, 14]
    model = dataclasses.replace(MODEL, latency=0.0, seconds_per_byte=1.0)
    assert [model.communication_seconds(n, 1000) for n in (1, 2, 4, 8)] == [0, 1000, 1500, 1750]


def test_the_error_on_a_held_out_point_is_relative_to_its_measurement():
    _, held_out = split(made_up_points(MODEL))
    slower = dataclasses.replace(held_out[0], step_seconds=2 * held_out[0].step_seconds)
    assert step_model.relative_error(MODEL, slower) == pytest.approx(-0.5)


@pytest.mark.parametrize("batches", [(128,), (64, 128)])
@pytest.mark.parametrize("workers", [(1, 2), (1, 2, 4), (1, 2, 3, 4, 8)])
@pytest.mark.parametrize("widths", [(1, 2), (1, 2, 4), (1, 2, 4, 8)])
def test_held_out_points_test_communication_whatever_was_run(workers, widths, batches):
    points = made_up_points(MODEL, workers, batches, widths)
    places = step_model.held_out_workloads(points)
    if not places:  # the fit needs all of them
        assert len(points) == 4
        return
    assert any(workers > 1 for _, _, workers in places)
    assert len(places) <= len(points) // 4
    assert places == step_model.held_out_workloads(points[::-1])
    fitted = step_model.fit_repeats([points], places)
    assert step_model.relative_errors(fitted, [points], places)[0] == pytest.approx(
        [0] * len(places), abs=1e-6
    )


def test_extrapolation_is_tested_by_a_fit_without_the_most_workers():
    points = made_up_points(MODEL)
    most, errors = step_model.extrapolation_errors([points, points])
    assert most == 4
    assert errors == [pytest.approx([0] * 9, abs=1e-6)] * 2
    # If four workers take 1.5 times as long, a model of fewer is off by a third.
    slower = [
        dataclasses.replace(p, step_seconds=1.5 * p.step_seconds) if p.workers == 4 else p
        for p in points
    ]
    assert step_model.extrapolation_errors([slower])[1] == [pytest.approx([-1 / 3] * 9, abs=1e-6)]
    assert step_model.extrapolation_errors([made_up_points(MODEL, workers=(1, 2))]) is None


def test_too_few_points_give_no_fit():
    points = made_up_points(MODEL, workers=(1,))
    assert step_model.fit(points) is None
    few = made_up_points(MODEL, workers=(1, 2), batches=(64,), widths=(1,))
    assert step_model.fit(few) is None


def test_one_width_and_one_number_of_workers_determine_no_other():
    points = made_up_points(MODEL, workers=(1, 2), batches=(64, 128, 256), widths=(2,))
    fitted = step_model.fit_repeats([points])
    size = gradient_bytes(2)
    assert fitted.determines_step(2, 512, 2, size)
    assert fitted.determines_break_even(2, 2, size)
    (batch,) = speedup.break_even_batches(fitted, 2, 2, size)
    assert batch == pytest.approx(MODEL.break_even_batch(2, 2, size))
    assert not fitted.determines_step(4, 128, 2, size)
    assert not fitted.determines_break_even(4, 2, size)
    assert not fitted.determines_step(2, 128, 4, gradient_bytes(4))
    more = step_model.fit_repeats([made_up_points(MODEL, (1, 2, 3), (64, 128), (2,))])
    assert more.determines_break_even(4, 2, size)
    assert more.per_repeat(lambda m: m.step_seconds(8, 128, 2, size)) == pytest.approx(
        [MODEL.step_seconds(8, 128, 2, size)]
    )


def test_no_term_of_the_fit_is_negative():
    points = [
        dataclasses.replace(p, compute_seconds=p.compute_seconds * (1.5 if p.width == 1 else 1.0))
        for p in made_up_points(MODEL)
    ]
    assert min(terms(step_model.fit(points))) >= 0


@pytest.mark.parametrize("workers", [2, 4, 16])
def test_at_the_break_even_batch_workers_are_as_fast_as_one(workers):
    size = gradient_bytes(2)
    batch = MODEL.break_even_batch(workers, 2, size)
    # Batches are multiples of the workers, so that shards are not rounded up.
    below, above = (workers * round(batch * f / workers) for f in (0.8, 1.2))
    assert MODEL.speedup(workers, below, 2, size) < 1 < MODEL.speedup(workers, above, 2, size)


def test_break_even_by_hand():
    model = StepTime(
        fixed=1.0,
        per_byte=0.0,
        per_sample_0=0.125,
        per_sample_1=0.375,
        per_sample_2=0.25,
        latency=1.0,
        seconds_per_byte=0.001,
    )
    # Communication takes 2 * 1 + 0.001 * 1000 = 3. A sample costs 0.75, and two workers save half.
    assert model.break_even_batch(2, 1, 1000) == pytest.approx(8)
    free = dataclasses.replace(model, per_sample_0=0.0, per_sample_1=0.0, per_sample_2=0.0)
    assert free.break_even_batch(2, 1, 1000) == math.inf
    # With a slowdown of 1.2, the step costs 0.2 more, and 0.4 of a sample is saved.
    slowed = dataclasses.replace(model, slowdowns={2: 1.2})
    assert slowed.break_even_batch(2, 1, 1000) == pytest.approx(3.2 / (0.75 * 0.4))
    assert slowed.speedup(2, 3.2 / 0.3, 1, 1000) < 1 < slowed.speedup(2, 12, 1, 1000)
    useless = dataclasses.replace(model, slowdowns={2: 2.0})
    assert useless.break_even_batch(2, 1, 1000) == math.inf
