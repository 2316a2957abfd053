"""Copy a finished run into docs/results, to be committed: its tables, records and figures.

    python docs/add_run.py results/reproduction/upc-optimizers-softmax

Left out are what `python -m study.report docs/results/NAME` writes again (the page, LaTeX, PDF) and
what only a run on this machine needs (trials' folders, models, locks). Places on this machine are
replaced by what stands for them anywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pandas as pd

_RESULTS = Path(__file__).parent / "results"
_TABLES = ("trials", "records")
_SUFFIXES = frozenset({".csv", ".md", ".png", ".svg", ".json"})
_LEFT_OUT = frozenset({"records.csv", "trials.csv", "plan.json"})
"""The parquet tables hold the same in a tenth of the size."""
_MAX_BYTES = 2 * 1024**2


def main(run: Path) -> int:
    """Copy `run`, print what is too large, and return the exit code."""
    target = _RESULTS / run.name
    shutil.rmtree(target / "figures", ignore_errors=True)
    shutil.rmtree(target / "tables", ignore_errors=True)
    for path in sorted([*run.glob("*"), *run.glob("figures/*"), *run.glob("tables/*")]):
        if path.suffix in _SUFFIXES and path.name not in _LEFT_OUT:
            copy = target / path.relative_to(run)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in {".csv", ".md", ".json"}:
                copy.write_text(_anywhere(path.read_text(encoding="utf-8"), run))
            else:
                shutil.copyfile(path, copy)
    for name in _TABLES:
        table = pd.read_parquet(run / f"{name}.parquet")
        if "reused" in table:
            table["reused"] = [value and _anywhere(value, run) for value in table["reused"]]
        table.to_parquet(target / f"{name}.parquet", index=False)
    metadata = target / "run.json"
    described = json.loads(metadata.read_text())
    described["dataset"]["source"] = _without_folders(described["dataset"]["source"])
    metadata.write_text(json.dumps(described, indent=1))
    large = [path for path in target.rglob("*") if path.stat().st_size > _MAX_BYTES]
    for path in large:
        print(f"{path} has more than {_MAX_BYTES} bytes")
    return int(bool(large))


def _anywhere(text: str, run: Path) -> str:
    """Replace the folder that holds the run by the one that the documentation names."""
    return text.replace(str(run.parent), "results/reproduction")


def _without_folders(source: str) -> str:
    """Return the source of a data set relative to the folder of all data sets."""
    folder = os.environ.get("STUDY_DATA_DIR")
    if not folder or not source.startswith(folder):
        return source
    return f"{os.path.relpath(source, folder)}, in $STUDY_DATA_DIR"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
