"""Fleets: each member's records are those of the same run alone."""

import copy
import dataclasses
import io
import math

import pytest
import torch

from lenet import TrainConfig, datasets, fleet, registry, training
from lenet.fused import Unfusable
from lenet.samples import Samples
from tests.comparison import same

SETTINGS = {
    "sgd": {"lr": 0.1},
    "momentum": {"lr": 0.05},
    "nesterov": {"lr": 0.05, "momentum": 0.8},
    "adam": {},
    "adamw": {},
    "adagrad": {},
    "adadelta": {"lr": 1.0},
    "rmsprop": {},
    "tf1-adam": {},
    "tf1-rmsprop": {},
    "tf1-adagrad": {},
    "tf1-adadelta": {"lr": 1.0},
    "ftrl": {"lr": 0.1},
    "proximal-adagrad": {},
    "proximal-gd": {},
}
"""A setting of each optimizer at which training is not chaotic: there, a difference in the last
digit would grow."""

DECAYED = ("sgd", "momentum", "adam", "adamw", "adagrad", "adadelta", "rmsprop")
SCHEDULES = {
    "exponential": {"gamma": 0.5},
    "multistep": {"milestones": (1,), "gamma": 0.3},
    "cosine": {"warmup": 0.2},
    "one-cycle": {"warmup": 0.4},
    "ramp-exponential": {"final_lr": 0.05},
    "ramp-linear": {"final_lr": 0.05},
    "ramp-multistep": {"gamma": 1.2},
    "ramp-multistep-epoch": {"gamma": 1.2},
}


@pytest.fixture
def make_run(digits):
    """Makes runs in float64, in which the order of sums changes next to nothing."""
    line = datasets.load("line")
    torch.set_default_dtype(torch.float64)
    doubled = {}

    def make(**settings):
        config = TrainConfig(**{"dataset": "digits"} | settings)
        run = training.Run(config, digits if config.dataset == "digits" else line)
        for split in ("train_samples", "validation_samples", "test_samples"):
            samples = getattr(run, split)
            key = (samples.inputs.data_ptr(), len(samples))
            if key not in doubled:
                doubled[key] = samples.inputs.double()
            floats = samples.targets.is_floating_point()
            targets = samples.targets.double() if floats else samples.targets
            setattr(run, split, Samples(doubled[key], targets))
        return run

    yield make
    torch.set_default_dtype(torch.float32)


def every_optimizer(**common):
    """Return settings of a fleet of every optimizer, rate, weight decay, schedule and two seeds."""
    common = {"lr": 0.01} | common
    members = []
    for optimizer, settings in SETTINGS.items():
        own = {**common, "optimizer": optimizer, **settings}
        members += [own, own | {"seed": 1}, own | {"lr": own["lr"] / 2}]
    members += [{**common, "optimizer": name, "weight_decay": 0.1} for name in DECAYED]
    for name in ("sgd", "adam", "ftrl"):
        members += [
            {**common, "optimizer": name, "schedule": schedule, **settings}
            for schedule, settings in SCHEDULES.items()
        ]
    momentum = {"momentum": 0.5, "schedule": "ramp-linear", "final_lr": 0.02}
    members += [{**common, "optimizer": n, **momentum} for n in ("rmsprop", "tf1-rmsprop")]
    penalties = {"l1": 0.001, "l2": 0.01}
    names = ("proximal-gd", "proximal-adagrad", "ftrl")
    return members + [{**common, "optimizer": name, **penalties} for name in names]


def assert_as_alone(make_run, members, tolerance=1e-9):
    runs = [make_run(**settings) for settings in members]
    together = {run: [] for run in runs}
    for run, record in fleet.train(runs):
        together[run].append(record)
    for run, settings in zip(runs, members, strict=True):
        alone = list(training.train(make_run(**settings)))
        assert len(together[run]) == len(alone), settings
        for record, expected in zip(together[run], alone, strict=True):
            for field in dataclasses.fields(record):
                if field.name in ("train_seconds", "samples_per_second", "steps_per_second"):
                    continue
                value, wanted = getattr(record, field.name), getattr(expected, field.name)
                assert value == pytest.approx(wanted, abs=tolerance, rel=1e-9, nan_ok=True), (
                    settings,
                    field.name,
                    record.step,
                )


def test_every_optimizer_is_tried():
    assert set(SETTINGS) == set(registry.OPTIMIZERS)
    assert {*SCHEDULES, "constant"} == set(registry.SCHEDULES)


@pytest.mark.parametrize(
    ("model", "loss", "batch_size"),
    [
        ("softmax", "cross-entropy", 100),
        ("4ls", "mse", 32),
        ("4ls", "mse", 1_000),  # full batches, which all seeds share
        ("2lr", "cross-entropy", 1),
        pytest.param("3ls", "mse", 100, marks=pytest.mark.slow),
        pytest.param("3ls", "cross-entropy", 1, marks=pytest.mark.slow),
    ],
)
def test_members_of_a_dense_net_train_as_alone(model, loss, batch_size, make_run):
    length = {"steps": 20, "record_every": 10, "train_samples": 700}
    assert_as_alone(
        make_run, every_optimizer(model=model, loss=loss, batch_size=batch_size, **length)
    )


def test_accuracies_of_members_are_shares_in_double_precision(digits):
    """Else a member's accuracy differs from the same trial's alone, and no tie is a tie."""
    config = TrainConfig(dataset="digits", model="softmax", batch_size=100, epochs=2, lr=0.01)
    runs = [training.Run(config.replace(seed=seed), digits) for seed in range(2)]
    for run, record in fleet.train(runs):
        accuracies = {
            record.validation_accuracy: run.validation_samples,
            record.train_accuracy: run.train_samples,
        }
        for accuracy, samples in accuracies.items():
            assert accuracy == round(accuracy * len(samples)) / len(samples)


@pytest.mark.parametrize(
    ("model", "rates"),
    [
        ("lenet", (0.0, 0.5)),
        ("tests.own_models:Linear", (0.0,)),
        pytest.param("deep-mnist", (0.0, 0.5), marks=pytest.mark.slow),
        pytest.param("lenet5-tanh", (0.0,), marks=pytest.mark.slow),
    ],
)
def test_members_of_any_net_train_as_alone_with_dropout_of_their_own(model, rates, make_run):
    common = {"model": model, "batch_size": 8, "train_samples": 20, "lr": 0.01}
    members = [
        {**common, "optimizer": optimizer, "dropout": rate, "seed": seed, "epochs": 2}
        for optimizer in ("sgd", "adam")
        for rate in rates
        for seed in (0, 1)
    ]
    assert_as_alone(make_run, members)


@pytest.mark.slow
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_every_optimizer_trains_lenet_as_alone(dropout, make_run):
    common = {"model": "lenet", "batch_size": 8, "train_samples": 64, "dropout": dropout}
    assert_as_alone(make_run, every_optimizer(steps=50, record_every=25, **common))


def test_the_line_is_fitted_as_alone(make_run):
    common = {"dataset": "line", "model": "linear", "loss": "sum-of-squares", "batch_size": 4}
    length = {"steps": 40, "record_every": 1, "validation_fraction": 0.0, "optimizer": "sgd"}
    assert_as_alone(make_run, [{**common, **length, "lr": lr} for lr in (0.01, 0.02, 0.03)])


def test_members_end_record_and_diverge_each_at_its_own_time(make_run):
    common = {"model": "2lr", "batch_size": 10, "train_samples": 300, "optimizer": "sgd"}
    members = [
        {**common, "lr": 0.1, "epochs": 5},
        {**common, "lr": 0.1, "epochs": 2, "record_every": 7},
        {**common, "lr": 1e200, "epochs": 5},  # its loss is not finite at the first record
        {**common, "lr": 1e200, "steps": 130, "record_every": 110},  # nor at the check before it
        {**common, "lr": 0.2, "steps": 45, "evaluate_at": (20,), "seed": 3},
        {**common, "lr": 3.0, "epochs": 5, "blow_up": 1.01},
    ]
    assert_as_alone(make_run, members)


def settings_of_a_fleet():
    common = {"model": "4ls", "loss": "mse", "batch_size": 25, "train_samples": 500}
    return [
        {**common, "optimizer": optimizer, "lr": lr, "epochs": epochs, "seed": seed}
        for optimizer, lr in (("sgd", 0.5), ("tf1-adam", 0.01), ("momentum", 0.1))
        for seed, epochs in ((0, 3), (1, 5))
    ]


def saved(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("records", [1, 3])
def test_a_resumed_fleet_ends_as_an_undisturbed_one(records, digits):
    def make(settings):
        return training.Run(TrainConfig(dataset="digits", **settings), digits)

    undisturbed = [make(settings) for settings in settings_of_a_fleet()]
    expected = {run.config.id: [] for run in undisturbed}
    for run, record in fleet.train(undisturbed):
        expected[run.config.id].append(record)

    begun = [make(settings) for settings in settings_of_a_fleet()]
    interrupted = fleet.Fleet(begun)
    found = {run.config.id: [] for run in begun}
    for _ in range(records):
        for run, record in interrupted.advance():
            found[run.config.id].append(record)
    states = [saved(interrupted.state_dict(run)) for run in begun]

    resumed = [make(settings) for settings in settings_of_a_fleet()]
    for run, state in zip(resumed, states, strict=True):
        run.load_state_dict(copy.deepcopy(state))
    for run, record in fleet.train([run for run in resumed if not run.finished]):
        found[run.config.id].append(record)
    for config_id, curve in expected.items():
        assert same(found[config_id], curve)


def test_a_member_that_is_removed_disturbs_no_other(make_run):
    common = {"model": "4ls", "loss": "mse", "batch_size": 32, "steps": 9, "record_every": 3}
    members = [{**common, "optimizer": name, "lr": 0.05} for name in ("sgd", "adam", "momentum")]
    runs = [make_run(**settings) for settings in members]
    together = fleet.Fleet(runs)
    records = {run: [record] for run, record in together.advance()}
    together.remove({runs[1]})
    while not together.finished:
        for run, record in together.advance():
            records[run].append(record)
    for number in (0, 2):
        alone = list(training.train(make_run(**members[number])))
        found = records[runs[number]]
        assert [one.train_loss for one in found] == pytest.approx([one.train_loss for one in alone])
    # It goes on by itself, with its own weights and optimizer.
    assert len(records[runs[1]]) == 1
    alone = list(training.train(make_run(**members[1])))
    rest = list(training.train(runs[1]))
    assert rest[-1].train_loss == pytest.approx(alone[-1].train_loss)


def test_a_member_goes_on_alone_as_if_it_had_always_been(make_run):
    settings = settings_of_a_fleet()
    begun = fleet.Fleet([make_run(**own) for own in settings])
    runs = [run for run, _ in begun.advance()]
    for run in runs:
        alone = make_run(**dataclasses.asdict(run.config))
        alone.load_state_dict(saved(begun.state_dict(run)))
        last = list(training.train(alone))[-1]
        whole = list(training.train(make_run(**dataclasses.asdict(run.config))))[-1]
        assert last.validation_loss == pytest.approx(whole.validation_loss, rel=1e-9)


def test_a_checkpoint_of_a_member_has_no_weights_of_others(make_run):
    runs = [make_run(model="softmax", lr=0.01 * n, epochs=2, batch_size=500) for n in range(1, 21)]
    together = fleet.Fleet(runs)
    together.advance()
    buffer = io.BytesIO()
    torch.save(together.state_dict(runs[0]), buffer)
    weights = sum(p.numel() for p in runs[0].model.parameters())
    assert buffer.tell() < 8 * weights * 4


def test_the_seconds_of_members_are_shares_of_the_fleets(make_run):
    runs = [make_run(model="softmax", lr=0.01 * n, epochs=1) for n in range(1, 5)]
    seconds = [record.train_seconds for _, record in fleet.train(runs)]
    assert len(set(seconds)) == 1
    assert seconds[0] > 0


def test_what_cannot_be_a_fleet_says_why(make_run):
    def reason(*members):
        with pytest.raises(Unfusable) as refused:
            fleet.Fleet([make_run(**settings) for settings in members])
        assert "\n" not in str(refused.value)
        return str(refused.value)

    assert reason({"batch_size": 8}, {"batch_size": 16}) == "batch_size differs: 8 and 16"
    assert "has a buffer (norm.running_mean)" in reason({"model": "tests.own_models:Normalized"})
    assert "torch's global random state" in reason({"model": "tests.own_models:GlobalDropout"})
    assert "torch.func.vmap fails" in reason({"model": "tests.own_models:ReadsItsInput"})


def test_a_diverged_member_has_no_finite_loss(make_run):
    runs = [make_run(model="softmax", optimizer="sgd", lr=lr, epochs=1) for lr in (0.1, 1e308)]
    records = {run: record for run, record in fleet.train(runs)}
    assert math.isfinite(records[runs[0]].train_loss)
    assert records[runs[1]].diverged


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"optimizer": "tests.own_parts:Signs"}, "optimizer=tests.own_parts:Signs is your own"),
        ({"clip_norm": 1.0}, "clip_norm=1 depends on one member's gradients"),
        ({"dataset": "tests.own_parts:halves"}, "dataset=tests.own_parts:halves is not in memory"),
        (
            {"dataset": "tests.own_parts:vectors", "loss": "mse"},
            "dataset=tests.own_parts:vectors has targets of several dimensions",
        ),
    ],
)
def test_what_a_fleet_does_not_do_is_one_line(settings, reason):
    config = TrainConfig.from_dict(
        {"dataset": "tests.own_parts:table", "model": "softmax"} | settings
    )
    data = datasets.load(config.dataset)
    runs = [training.Run(config.replace(seed=seed), data) for seed in range(2)]
    with pytest.raises(Unfusable, match=reason):
        fleet.Fleet(runs)


def test_a_fleet_has_own_schedules_and_metrics():
    """Each member's metrics are those of the same run alone."""
    own = {
        "dataset": "tests.own_parts:table",
        "model": "softmax",
        "schedule": "tests.own_parts:step_down",
        "metrics": ("recall:max=tests.own_parts:first_class_recall",),
        "epochs": 2,
    }
    data = datasets.load(own["dataset"])
    configs = [TrainConfig.from_dict(own | {"lr": lr}) for lr in (0.1, 0.01)]
    alone = {c.id: list(training.train(training.Run(c, data))) for c in configs}
    together = {c.id: [] for c in configs}
    for run, record in fleet.train([training.Run(c, data) for c in configs]):
        together[run.config.id].append(record)
    for key, records in alone.items():
        for one, other in zip(records, together[key], strict=True):
            assert one.lr == other.lr
            assert one.metrics == pytest.approx(other.metrics)
            assert set(one.metrics) >= {"validation_recall"}


@pytest.mark.parametrize(("batch_size", "epochs"), [(50, 2), (1_000, 8)])
def test_recorded_steps_are_those_of_every_step(batch_size, epochs, monkeypatch, make_run):
    """On a GPU, a step is recorded once and replayed. Here, a replay calls the step again.

    The last batch of 50 is smaller; 1,000 is a full batch.
    """
    common = {"batch_size": batch_size, "epochs": epochs, "train_samples": 330}
    settings = every_optimizer(model="2lr", **common)
    settings += [{**settings[0], "schedule": "exponential", "gamma": 0.5}]
    plain = list(fleet.train([make_run(**one) for one in settings]))
    recordings = []

    def capture(work):
        recordings.append(work)
        return work

    monkeypatch.setattr(fleet.Fleet, "_capture", lambda _: capture)
    replayed = list(fleet.train([make_run(**one) for one in settings]))
    assert len(recordings) == 1, "the last batch of an epoch, which is smaller, is not recorded"
    assert len(plain) == len(replayed) == epochs * len(settings)
    assert same([record for _, record in plain], [record for _, record in replayed])
