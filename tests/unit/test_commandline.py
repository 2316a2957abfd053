"""Input that is refused before anything is loaded: one line, exit code 2."""

import argparse
import contextlib
import io
import shlex

import pytest

from study import __main__ as overview
from study import commandline, grid, lr_range, search
from study.report import __main__ as report
from study.runs.run_folder import default_name
from study.scaling import __main__ as scaling

_WITH_EVERY_RESUME = {
    "--help",
    "--resume",
    "--data-dir",
    "--address",
    "--autoscale",
    "--dry-run",
    "--log",
}
_TUNE = {"--cpus-per-trial", "--gpus-per-trial", "--max-concurrent"}
ALLOWED_WITH_RESUME = {
    grid: _TUNE,
    lr_range: _TUNE,
    search: _TUNE | {"--trials", "--time-limit", "--optuna-storage"},
    scaling: {"--oversubscribe"},
}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "unknown study ''"),
        (["--data-dir", "/no/such/folder"], "/no/such/folder is not a folder"),
        (["--data-dir", ""], "an empty path names no folder"),
        (["--results", ""], "an empty path names no folder"),
        (["--resume", " "], "an empty path names no folder"),
        (["--results", "one", "--storage", "all"], "use one"),
        (["--address", ""], "--address is empty: type HOST:6379"),
        (["--autoscale"], "--autoscale needs a cluster: add --address"),
        (["--cpus-per-trial", "1e-9"], "must be 0.01 or more"),
        (["--dry"], "unrecognized arguments: --dry"),
        (["--set", "lr=0.1,,0.2"], "has an extra comma"),
        (["--set", ""], "'' sets nothing"),
        (["--set", "learning_rate=0.1"], "it is called lr here"),
        (["--set", "leraning_rate=0.1"], "it is called lr here"),
        (["--set", "BATCH_SIZE=32"], "did you mean 'batch_size'?"),
        (["--set", "data_set=mnist"], "did you mean 'dataset'?"),
        (["--set", "learning_rate_schedule=constant"], "did you mean 'schedule'?"),
        (["--set", "final_learning_rate=1"], "did you mean 'final_lr'?"),
        (["--set", "epochs=1_0"], "epochs must be a whole number"),
        (["--set", "batch_size=99999999999999999999"], "batch_size must be a whole number"),
        (["--set", "model=mynets.MyNet"], "type model=mynets:MyNet"),
        (["--results", "~nobody-here/x"], "type the whole path"),
        (["--set", "dataset=line"], "model=lenet cannot learn dataset=line: use model=linear"),
        (["--set", "loss=sum-of-squares"], "use loss=cross-entropy or mse"),
        (["--set", "schedule=ramp-linear", "--set", "lr=2"], "set lr below final_lr"),
        (["--pack", "1"], "--pack: 1 must be auto, off (each trial alone), or a number of trials"),
        (["--set", "validation_fraction=0"], "choose a fraction above 0"),
        (["--set", "evaluate_at=5+3"], "evaluate_at must increase"),
        (["--set", "lr=1e-3..1"], "search the range with python -m study.search"),
        (["--results", f"{__file__}/run"], "cannot write to"),
    ],
)
def test_an_invalid_grid_is_refused(arguments, message, capsys, monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert exit_code(grid, [*arguments, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("url", ["http://head:8265", "ray://head:10001"])
@pytest.mark.parametrize("variable", [True, False])
def test_a_url_is_no_address(url, variable, capsys, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", url if variable else "")
    typed = [] if variable else ["--address", url]
    assert exit_code(grid, [*typed, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert f"{'RAY_ADDRESS' if variable else '--address'}={url} is a" in error
    assert "HOST:6379" in error


def test_the_home_folder_is_expanded_as_a_shell_does(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert commandline.folder("~/x") == tmp_path / "x"
    assert str(commandline.place("~/x")) == str(tmp_path / "x")


@pytest.mark.parametrize(
    ("command", "typed", "wrong"),
    [
        (grid, ["--grids", "dropout, large-rate"], "large-rate"),
        (lr_range, ["--ramps", "linear, up"], "up"),
        (search, ["--objectives", "train_loss, val_los"], "validation_los"),
        (scaling, ["--launchers", "ray, play"], "play"),
    ],
)
def test_spaces_around_commas_do_not_count(command, typed, wrong, capsys):
    assert exit_code(command, [*typed, "--dry-run"]) == 2
    assert f" '{wrong}'" in capsys.readouterr().err


def test_runs_of_the_same_second_have_different_names():
    assert len({default_name("fan", "quick") for _ in range(3)}) == 3


def test_a_report_needs_a_run(capsys):
    assert exit_code(report, []) == 2
    assert capsys.readouterr().err.count("\n") == 1


def exit_code(command, arguments):
    try:
        return command.main(arguments)
    except SystemExit as exit:  # from the parser
        return exit.code


def typed_options(command, *, besides):
    """Yield the options of `command` as typed, with falsy values where its parser accepts them."""
    for action in command._parser()._actions:
        if (action.option_strings or [action.dest])[-1] in besides:
            continue
        flag = action.option_strings[-1:]
        if action.nargs == 0:
            yield action, flag
            continue
        values = action.choices or ("0", "", "1", "0x0", "1s", ".", "off")
        accepted = [value for value in values if is_accepted(command, [*flag, value])]
        assert accepted, f"add a value for {action.dest}"
        falsy = [value for value in accepted if value in {"0", ""}]
        for value in falsy or accepted[:1]:
            yield action, [*flag, value]


def is_accepted(command, arguments):
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        command._parser().parse_args(arguments)
        return True
    return False


REFUSED = [
    pytest.param(command, name, words, id=f"{command.__name__.split('.')[1]} {words}")
    for command, allowed in ALLOWED_WITH_RESUME.items()
    for action, words in typed_options(command, besides=_WITH_EVERY_RESUME | allowed)
    for name in [(action.option_strings or [action.dest])[-1]]
]


@pytest.mark.parametrize(("command", "name", "words"), REFUSED)
def test_an_option_that_a_run_began_with_is_refused_with_resume(command, name, words, capsys):
    assert command.main(["--resume", "nowhere", *words]) == 2
    error = capsys.readouterr().err
    typed = name if name.startswith("--") else shlex.quote(words[0])
    assert f"--resume finishes a run with the options it began with: omit {typed}," in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("command", ALLOWED_WITH_RESUME)
def test_an_option_that_is_not_typed_counts_as_not_given(command):
    parser = command._parser()
    options = parser.parse_args([])
    for action in parser._actions:
        if not isinstance(action, argparse._HelpAction):
            assert not commandline.is_given(options, action.dest)


@pytest.mark.parametrize("command", [grid, lr_range, search, scaling, report])
def test_help_fits_in_80_columns(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = command._parser().format_help()
    assert [line for line in text.splitlines() if len(line) > 80] == []
    assert "python -m" in text


def test_a_study_lists_the_grids_beyond_its_report(capsys):
    assert overview.main(["fan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  trials       24 at smoke, 24 at quick, 24 at paper, for each seed" in lines
    at = lines.index("  beyond it    --grids dropout: 72 trials for each seed")
    assert lines[at + 4].split() == ["dropout", "0.0,", "0.25,", "0.5"]


def test_the_overview_fits_in_80_columns(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    assert overview.main([]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if len(line) > 80] == []
