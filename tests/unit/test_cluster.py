"""What a trial is given out of what there is."""

import pytest

from lenet import ConfigError
from study.cluster import connection as cluster
from study.cluster.connection import Node, allot


def given(cpus, gpus=0, nodes=None, **asked):
    defaults = {"cpus_per_trial": 1, "gpus_per_trial": None, "max_concurrent": None, "trials": 100}
    return allot(nodes or [Node(cpus, gpus)], **{**defaults, **asked})


@pytest.mark.parametrize(
    ("resources", "concurrent", "gpus_per_trial"),
    [
        (given(2), 2, 0),
        (given(2, cpus_per_trial=2), 1, 0),
        (given(2, cpus_per_trial=0.5), 4, 0),
        (given(2, max_concurrent=1), 1, 0),
        (given(8, trials=3), 3, 0),
        (given(8, gpus=1, gpus_per_trial=0.25), 4, 0.25),
        (given(2, gpus=1, gpus_per_trial=0.25), 2, 0.25),
        (given(16, gpus=4, gpus_per_trial=0.4), 8, 0.4),
        (given(16, gpus=4, gpus_per_trial=2), 2, 2),
        # By default a GPU is shared by as many trials as there are CPUs to feed them.
        (given(4, gpus=1), 4, 0.25),
        (given(16, gpus=4), 16, 0.25),
        (given(1, gpus=2), 1, 1),
        (given(64, gpus=1), 8, 0.125),
        # What is left over on one machine is not put together with that of another.
        (given(0, nodes=[Node(4, 0), Node(4, 0)], cpus_per_trial=3), 2, 0),
        (given(0, nodes=[Node(2, 0), Node(8, 2)], gpus_per_trial=0.5), 4, 0.5),
        (given(0, nodes=[Node(0, 0), Node(4, 1)]), 4, 0.25),
    ],
)
def test_concurrency(resources, concurrent, gpus_per_trial):
    assert resources.concurrent == concurrent
    assert resources.gpus_per_trial == gpus_per_trial


def test_a_cluster_may_grow():
    assert given(2, may_grow=True).concurrent is None
    assert given(2, may_grow=True, max_concurrent=16).concurrent == 16
    assert given(2, may_grow=True).side_by_side == 2
    from_zero = given(0, may_grow=True, autoscale=True, gpus_per_trial=0.25)
    assert (from_zero.concurrent, from_zero.at_first, from_zero.side_by_side) == (None, 0, 1)
    assert from_zero.gpus_per_trial == 0.25


def test_one_thread_per_cpu():
    assert given(4, cpus_per_trial=3).threads == 3
    assert given(4, cpus_per_trial=0.5).threads == 1


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"cpus": 2, "cpus_per_trial": 3}, "use --cpus-per-trial 2 or less"),
        ({"cpus": 2, "gpus_per_trial": 0.25}, "leave --gpus-per-trial out"),
        ({"cpus": 0}, "no machine has a CPU for trials yet"),
        ({"cpus": 2, "gpus": 1, "gpus_per_trial": 2}, "use --gpus-per-trial 1 or less"),
        ({"cpus": 2, "gpus": 4, "gpus_per_trial": 1.5}, "use 2"),
        ({"cpus": 0, "nodes": [Node(4, 0), Node(4, 0)], "cpus_per_trial": 6}, "trial 4 or less"),
        (
            {
                "cpus": 0,
                "nodes": [Node(8, 0), Node(1, 1)],
                "cpus_per_trial": 2,
                "gpus_per_trial": 1,
            },
            "no machine has 2 CPUs and 1 GPUs together",
        ),
        (
            {"cpus": 2, "gpus_per_trial": 0.25, "may_grow": True},
            "or --autoscale, if this cluster adds machines by itself",
        ),
        ({"cpus": 0, "may_grow": True, "autoscale": True}, "say what a trial is to have"),
    ],
)
def test_more_than_there_is(asked, said):
    with pytest.raises(ConfigError) as error:
        given(**asked)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "nothing answers at --address 127.0.0.1:1 (Connection refused)"),
        ("127.0.0.1:99999", "'99999' of --address 127.0.0.1:99999 is no port"),
        ("127.0.0.1:ray", "'ray' of --address 127.0.0.1:ray is no port"),
    ],
)
def test_an_address_where_nobody_answers_is_refused_at_once(address, said):
    with pytest.raises(ConfigError) as error:
        cluster.connect(address)
    assert said in str(error.value)
