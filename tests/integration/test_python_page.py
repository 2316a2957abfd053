"""The examples of docs/python.md, on one Ray."""

import doctest
import re
from pathlib import Path

from study.runs.find import find_runs

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_examples_of_the_page_run(ray_address, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", ray_address)
    text = PAGE.read_text("utf-8")
    examples = "\n\n".join(re.findall(r"```pycon\n(.*?)```", text, re.DOTALL))
    assert examples.count(">>>") > 20
    # What a notebook defines is in its module `__main__`.
    test = doctest.DocTestParser().get_doctest(
        examples, {"__name__": "__main__"}, PAGE.name, str(PAGE), 0
    )
    runner = doctest.DocTestRunner(
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    runner.run(test)
    assert not runner.failures, capsys.readouterr().out
    assert (tmp_path / "curves.png").stat().st_size > 0
    assert len(find_runs(tmp_path / "results")) == 2
