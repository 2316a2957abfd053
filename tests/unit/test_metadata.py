"""The metadata of a run: what `run.json` holds, and what is refused."""

import json
import subprocess

import pytest

from lenet import ConfigError
from study.runs import metadata as module
from study.runs.metadata import RunMetadata, project_commit
from study.runs.run_folder import RunFolder
from tests.runs import metadata


def test_metadata_come_back_as_written(tmp_path):
    written = metadata(
        options={"trials": 3}, choices={"lr": ["0.1"]}, machine={"cpus": 2}, commit="0123+changes"
    )
    (tmp_path / "run.json").write_text(json.dumps(written.to_json()))
    assert RunMetadata.read(tmp_path / "run.json") == written


def test_empty_parts_of_other_engines_are_not_written():
    assert {"resources", "machine", "resumed_on"}.isdisjoint(metadata().to_json())


def test_runs_of_older_versions_can_be_read():
    document = metadata().to_json()
    for name in ("tool", "options", "commit", "grids", "objective"):
        del document[name]
    read = RunMetadata.from_json({**document, "asked": {"trials": 3}})
    assert (read.tool, read.commit, read.objective) == ("study.grid", None, "validation_accuracy")
    assert read.options == {"trials": 3}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "run.json lacks study, budget, dataset, device: restore it"),
        ("[1]", "run.json lacks study"),
        ('{"study": "f', "run.json is cut short or damaged: restore it"),
        ({"dataset": "mnist"}, "run.json lacks the name of the data set"),
        ({"options": 3}, "run.json has options 3, which is of the wrong type"),
        ({"study": None}, "run.json has study None, which is of the wrong type"),
    ],
)
def test_damaged_metadata_are_refused_in_one_line(tmp_path, content, message):
    folder = RunFolder.create(tmp_path / "run", metadata(), [])
    if isinstance(content, dict):
        content = json.dumps({**metadata().to_json(), **content})
    (folder.path / "run.json").write_text(content)
    with pytest.raises(ConfigError, match=message) as raised:
        RunFolder.open(folder.path).run  # noqa: B018
    assert "\n" not in str(raised.value)


def test_the_commit_is_the_projects_own(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    package = tmp_path / "study" / "runs"
    package.mkdir(parents=True)
    source = package / "metadata.py"
    source.write_text("first")
    monkeypatch.setattr(module, "__file__", str(source))
    assert project_commit() is None  # not a checkout
    git("init")
    git("commit", "--allow-empty", "--message", "of somebody else's project")
    assert project_commit() is None  # installed inside another checkout
    git("add", ".")
    git("commit", "--message", "first")
    commit = git("rev-parse", "HEAD")
    assert project_commit() == commit
    source.write_text("second")
    assert project_commit() == f"{commit}+changes"
