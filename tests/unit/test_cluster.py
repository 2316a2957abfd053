"""The CPUs and GPUs that each trial gets, and addresses where no cluster answers."""

import pytest

from lenet import ConfigError
from study.cluster import connection
from study.cluster.resources import Node, allocate


def allocated(cpus, gpus=0, nodes=None, **changes):
    defaults = {"cpus_per_trial": 1, "gpus_per_trial": None, "max_concurrent": None, "trials": 100}
    return allocate(nodes or [Node(cpus, gpus)], **{**defaults, **changes})


@pytest.mark.parametrize(
    ("resources", "concurrent", "gpus_per_trial"),
    [
        (allocated(2), 2, 0),
        (allocated(2, cpus_per_trial=2), 1, 0),
        (allocated(2, cpus_per_trial=0.5), 4, 0),
        (allocated(2, max_concurrent=1), 1, 0),
        (allocated(8, trials=3), 3, 0),
        (allocated(8, gpus=1, gpus_per_trial=0.25), 4, 0.25),
        (allocated(2, gpus=1, gpus_per_trial=0.25), 2, 0.25),
        (allocated(16, gpus=4, gpus_per_trial=0.4), 8, 0.4),
        (allocated(16, gpus=4, gpus_per_trial=2), 2, 2),
        # By default, as many trials share a GPU as there are CPUs to feed them.
        (allocated(4, gpus=1), 4, 0.25),
        (allocated(16, gpus=4), 16, 0.25),
        (allocated(1, gpus=2), 1, 1),
        (allocated(64, gpus=1), 8, 0.125),
        # Remainders on two machines do not add up to room for a trial.
        (allocated(0, nodes=[Node(4, 0), Node(4, 0)], cpus_per_trial=3), 2, 0),
        (allocated(0, nodes=[Node(2, 0), Node(8, 2)], gpus_per_trial=0.5), 4, 0.5),
        (allocated(0, nodes=[Node(0, 0), Node(4, 1)]), 4, 0.25),
    ],
)
def test_concurrency(resources, concurrent, gpus_per_trial):
    assert resources.concurrent == concurrent
    assert resources.gpus_per_trial == gpus_per_trial


def test_a_cluster_may_grow():
    assert allocated(2, may_grow=True).concurrent is None
    assert allocated(2, may_grow=True, max_concurrent=16).concurrent == 16
    assert allocated(2, may_grow=True).side_by_side == 2
    from_zero = allocated(0, may_grow=True, autoscale=True, gpus_per_trial=0.25)
    assert (from_zero.concurrent, from_zero.at_first, from_zero.side_by_side) == (None, 0, 1)
    assert from_zero.gpus_per_trial == 0.25


def test_one_thread_per_cpu():
    assert allocated(4, cpus_per_trial=3).threads == 3
    assert allocated(4, cpus_per_trial=0.5).threads == 1


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"cpus": 2, "cpus_per_trial": 3}, "use --cpus-per-trial 2 or less"),
        ({"cpus": 2, "gpus_per_trial": 0.25}, "omit --gpus-per-trial to train on the CPU"),
        ({"cpus": 0}, "no machine has a CPU for trials: start worker nodes"),
        ({"cpus": 2, "gpus": 1, "gpus_per_trial": 2}, "use --gpus-per-trial 1 or less"),
        ({"cpus": 2, "gpus": 4, "gpus_per_trial": 1.5}, "Ray assigns whole GPUs; use 2"),
        ({"cpus": 0, "nodes": [Node(4, 0), Node(4, 0)], "cpus_per_trial": 6}, "trial 4 or less"),
        (
            {
                "cpus": 0,
                "nodes": [Node(8, 0), Node(1, 1)],
                "cpus_per_trial": 2,
                "gpus_per_trial": 1,
            },
            "no machine has both 2 CPUs and 1 GPUs",
        ),
        (
            {"cpus": 2, "gpus_per_trial": 0.25, "may_grow": True},
            "or add --autoscale if this cluster adds machines",
        ),
        ({"cpus": 0, "may_grow": True, "autoscale": True}, "add --gpus-per-trial 0.25"),
    ],
)
def test_a_trial_that_fits_nowhere_is_refused(sizes, message):
    with pytest.raises(ConfigError) as error:
        allocated(**sizes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "nothing answers at --address 127.0.0.1:1 (Connection refused)"),
        ("127.0.0.1:99999", "'99999' in --address 127.0.0.1:99999 is not a port"),
        ("127.0.0.1:ray", "'ray' in --address 127.0.0.1:ray is not a port"),
    ],
)
def test_an_address_where_nothing_answers_is_refused_at_once(address, message):
    with pytest.raises(ConfigError) as error:
        connection.connect(address)
    assert message in str(error.value)
