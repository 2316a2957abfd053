"""The curves of a run as a spreadsheet."""

from pathlib import Path

import pandas as pd
import pytest

from lenet.config import ConfigError
from study.report import __main__ as report
from study.report import spreadsheet
from tests.unit.made_up_run import made_up_run, write


def test_a_sheet_per_family_of_curves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = made_up_run(choices={"batch_size": [32], "optimizer": ["sgd"]})
    directory = write(results, tmp_path / "run")
    assert report.main([str(directory), "--xlsx"]) == 0
    assert "results.xlsx" in capsys.readouterr().out
    book = pd.read_excel(directory / "results.xlsx", sheet_name=None)
    assert {"trials", "train_loss", "validation_accuracy", "test_accuracy", "lr"} <= set(book)
    assert book["trials"]["trial"].tolist() == results.trials["trial"].tolist()
    sheet = book["validation_accuracy"]
    assert sheet.columns.tolist() == ["step", *results.trials["trial"]]
    for trial, records in results.records.groupby("trial"):
        assert sheet[trial].tolist() == pytest.approx(records["validation_accuracy"].tolist())
    verdicts = pd.read_csv(directory / "claims.csv")
    pd.testing.assert_frame_equal(book["claims"], verdicts, check_dtype=False)
    # Only the last record has a test accuracy.
    assert len(book["test_accuracy"]) == 1


def test_a_run_too_large_for_a_spreadsheet_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "_MAX_COLUMNS", 5)
    with pytest.raises(ConfigError, match=r"use records\.parquet"):
        spreadsheet.write_spreadsheet(made_up_run(), tmp_path / "results.xlsx")
    assert not (tmp_path / "results.xlsx").exists()
