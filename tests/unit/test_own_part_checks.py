"""Own parts are looked up in the source of their modules before anything slow."""

import json
import subprocess
import sys

import pytest

from lenet import ConfigError, TrainConfig
from lenet.own_part_checks import check_own_parts
from study import api

MODULE = """
import functools
import torch_that_takes_seconds
from other import imported

def net(*, input_shape, classes, hidden=16): ...
def takes_all(**keywords): ...
@functools.cache
def decorated(hidden): ...
def wrapped(): ...
wrapped = functools.cache(wrapped)
class Net(torch_that_takes_seconds.Module):
    def __init__(self, classes, /, *, hidden=16): ...
class Inherits(Net): ...
def load(): ...
def metric(outputs, targets): ...
"""
FINE = [
    *({"model": f"slow_parts:{name}", "model.hidden": 3} for name in ("net", "takes_all", "Net")),
    *({"model": f"slow_parts:{name}", "model.x": 3} for name in ("decorated", "Inherits")),
    {"model": "slow_parts:wrapped", "model.x": 3},
    {"loss": "slow_parts:imported", "dataset": "slow_parts:load"},
    {"optimizer": "slow_package.inner.parts:net", "optimizer.hidden": 3},
    {"schedule": "slow_parts.py:net", "schedule.hidden": 3},
    {"metrics": ("m:max=slow_parts:metric",), "model": "builtins:dict"},
]


@pytest.fixture(autouse=True)
def _parts(tmp_path, monkeypatch):
    """Parts whose modules cannot be imported, so that a test fails that imports them."""
    package = tmp_path / "slow_package"
    (package / "inner").mkdir(parents=True)
    for folder in (package, package / "inner"):
        (folder / "__init__.py").write_text("import torch_that_takes_seconds")
    for file in (tmp_path / "slow_parts.py", package / "inner" / "parts.py"):
        file.write_text(MODULE)
    quick = MODULE.replace("import torch_that_takes_seconds\nfrom other import imported", "")
    (tmp_path / "quick_parts.py").write_text(quick.replace("torch_that_takes_seconds.Module", ""))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "quick_parts", raising=False)


@pytest.mark.parametrize("settings", FINE)
def test_parts_that_exist_are_not_imported(settings):
    check_own_parts([TrainConfig.from_dict(settings)])


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (
            {"model": "my_nets:Net"},
            r"cannot load model=my_nets:Net: No module named 'my_nets'; exp",
        ),
        ({"loss": "slow_package.x:f"}, "cannot load loss=slow_package.x:f: importing slow_package"),
        ({"optimizer": "quick_parts:Adm"}, r"optimizer=quick_parts:Adm: quick_parts has no Adm \("),
        ({"schedule": "none/here.py:f"}, "schedule=none/here.py is not a file: name a file"),
        ({"dataset": "quick_parts:laod"}, "cannot load dataset=quick_parts:laod: quick_parts has"),
        ({"metrics": ("m:max=my_nets:f",)}, "cannot load metric m=my_nets:f: No module named"),
        (
            {"model": "quick_parts:net", "model.hiden": 3},
            r"model.hiden is set, but model=quick_parts:net \(quick_parts.py, line 5\) takes no "
            "hiden: its keywords are input_shape, classes, hidden",
        ),
        ({"loss": "quick_parts:Net", "loss.x": 3}, r"loss=quick_parts:Net .* takes no x: its key"),
    ],
)
def test_parts_that_are_missing_or_take_no_such_keyword(settings, error):
    with pytest.raises(ConfigError, match=error):
        check_own_parts([TrainConfig(), TrainConfig.from_dict(settings)])


@pytest.mark.parametrize("make", [api.grid, api.search, api.lr_range, api.scaling])
def test_a_job_is_not_made_of_parts_that_are_missing(make):
    with pytest.raises(api.ConfigError, match="cannot load model=my_nets:Net: No module named"):
        make(settings={"model": "my_nets:Net"})
    with pytest.raises(api.ConfigError, match="takes no hiden: its keywords are"):
        make(settings={"model": "quick_parts:net", "model.hiden": 3})


def test_a_job_of_own_parts_imports_no_torch():
    code = """if True:
        import json, sys
        from study import api
        api.grid(settings={"model": "slow_parts:net", "model.hidden": [3, 4]})
        print(json.dumps(sorted({"torch", "ray", "slow_parts"} & set(sys.modules))))
    """
    command = [sys.executable, "-c", code]
    path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
    found = subprocess.run(command, check=True, capture_output=True, text=True, env=path)
    assert json.loads(found.stdout) == []
