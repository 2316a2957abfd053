"""What is refused before anything is loaded: one line, exit code 2."""

import pytest

from study import grid
from study.report import __main__ as report


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([""], "unknown study ''"),
        (["--data-dir", "/no/such/folder"], "/no/such/folder is no folder"),
        (["--data-dir", ""], "an empty path names no folder"),
        (["--results", ""], "an empty path names no folder"),
        (["--resume", " "], "an empty path names no folder"),
        (["--cpus-per-trial", "1e-9"], "must be 0.01 or more"),
        (["--dry"], "unrecognized arguments: --dry"),
        (["--set", "lr=0.1,,0.2"], "has a comma too many"),
        (["--set", ""], "'' sets nothing"),
        (["--set", "learning_rate=0.1"], "it is called lr here"),
        (["--set", "epochs=1_0"], "epochs must be a whole number"),
        (["--set", "batch_size=99999999999999999999"], "batch_size must be a whole number"),
        (["--set", "dataset=line"], "model=lenet cannot learn dataset=line: use model=linear"),
        (["--set", "loss=sum-of-squares"], "use loss=cross-entropy or mse"),
        (["--set", "schedule=ramp-linear", "--set", "lr=2"], "set lr below final_lr"),
        (["--set", "validation_fraction=0"], "choose a fraction above 0"),
        (["--set", "evaluate_at=5+3"], "evaluate_at must rise"),
    ],
)
def test_a_grid_that_cannot_be(arguments, said, capsys):
    try:
        code = grid.main([*arguments, "--dry-run"])
    except SystemExit as ended:  # from the parser
        code = ended.code
    assert code == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1


def test_a_report_of_nothing(capsys):
    with pytest.raises(SystemExit, match="2"):
        report.main([])
    assert capsys.readouterr().err.count("\n") == 1
