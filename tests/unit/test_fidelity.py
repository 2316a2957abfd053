"""docs/fidelity.md: every name in it exists, and no claim of a report is missing."""

import re
from pathlib import Path

import search_spaces
from lenet import registry
from lenet.config import SETTINGS
from study.figures import defaults
from study.scaling.__main__ import _parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "fidelity.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", PAGE)
STUDIES = [
    study
    for name, study in search_spaces.studies().items()
    if re.match("fan|cs5260|flux|upc", name)
]

# Names of the reports' own programs, and of PyTorch.
FOREIGN = {"nn.DataParallel", "DistributedDataParallel", "tf.compat.v1.train", "keep_prob"}
FILES_OF_A_RUN = {"run.json"}


def names_of(study):
    parts = (study.grids, study.extra_grids, study.figures, study.tables, study.claims)
    return {study.name, *(part.name for parts_of_kind in parts for part in parts_of_kind)}


def known_names():
    registered = (
        registry.MODELS,
        registry.OPTIMIZERS,
        registry.SCHEDULES,
        registry.LOSSES,
        registry.DATASETS,
        SETTINGS,
    )
    names = set().union(*map(set, registered), *map(names_of, search_spaces.studies().values()))
    return names | {"heat-map"} | FOREIGN | FILES_OF_A_RUN


def test_every_name_exists():
    assert 'name="heat-map"' in Path(defaults.__file__).read_text()
    options = {option for action in _parser()._actions for option in action.option_strings}
    unknown = [
        name
        for name in QUOTED
        if name not in known_names()
        and name.split()[0] not in options | {"--set", "python"}
        and not (ROOT / name).exists()
    ]
    assert unknown == []


def test_every_claim_is_there():
    missing = {claim.name for study in STUDIES for claim in study.claims} - set(QUOTED)
    assert missing == set()


def test_the_page_has_every_report():
    assert re.findall(r"^## (\w+)", PAGE, flags=re.M) == ["Fan", "CS5260", "Schätzle", "Valério"]
