"""Names of a grid's trials."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lenet.config import TrainConfig

_DEFAULTS = TrainConfig()
_SHORT_NAMES = {"batch_size": "batch"}
_LONGEST_NAME = 120
"""bytes of a trial's name; eCryptfs, which encrypts home folders, takes 143"""


def trial_name(config: TrainConfig, dimensions: Mapping[str, Sequence[Any]]) -> str:
    """Return a readable name, unique in the run: the coordinates of the point, then the seed.

    `dimensions`: each with its values in all grids of the run. A dimension with one value that is
    the default is omitted, and so is a setting that the trial leaves unset. A name that file
    systems may refuse is shortened; see `_shortened`.
    """
    coordinates = []
    for name, values in dimensions.items():
        value = config.get(name)
        if value is None or ([value] == values and value == _DEFAULTS.get(name)):
            continue
        if isinstance(value, tuple):
            value = "+".join(map(str, value))
        prefix = "" if isinstance(value, str) else _SHORT_NAMES.get(name, name)
        coordinates.append(f"{prefix}{value}")
    name = "_".join([*coordinates, f"seed{config.seed}"])
    return _shortened(name.replace("/", "-").replace(":", "-"))


def _shortened(name: str) -> str:
    """Return `name`, or its beginning, a hash of it and its seed if it has too many bytes.

    The same name is always shortened alike, so a resumed run finds its trials. Distinct names stay
    distinct.
    """
    encoded = name.encode(errors="surrogateescape")
    if len(encoded) <= _LONGEST_NAME:
        return name
    digest = hashlib.blake2b(encoded, digest_size=6).hexdigest()
    ending = f"_{digest}_{name.rpartition('_')[2]}"
    beginning = encoded[: _LONGEST_NAME - len(ending.encode())].decode(errors="ignore")
    return f"{beginning}{ending}"
