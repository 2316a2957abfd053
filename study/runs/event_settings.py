"""Settings of a trial that another program may have logged, from its hyperparameters or folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from lenet import registry
from lenet.config import SETTINGS, ConfigError, coerce

_ALIASES = {
    "lr": ("learning_rate", "learningrate"),
    "batch_size": ("batchsize", "batch", "bs"),
    "optimizer": ("optim", "opt"),
    "dropout": ("dropout_rate", "drop", "p_drop"),
    "weight_decay": ("wd",),
    "epochs": ("epoch", "num_epochs", "n_epochs"),
    "dataset": ("data_set",),
}
"""Other names of a setting; case is ignored, and - counts as _."""
_SETTING_OF = {name: name for name in SETTINGS} | {
    alias: name for name, aliases in _ALIASES.items() for alias in aliases
}
_NAMES = {
    "optimizer": registry.OPTIMIZERS,
    "dataset": registry.DATASETS,
    "model": registry.MODELS,
    "schedule": registry.SCHEDULES,
}
"""The settings that a folder's name may give by their value alone, such as `sgd`."""

_NUMBER = r"\d*\.?\d+(?:e[-+]?\d+)?"
_ASSIGNMENT = re.compile(
    rf"(?<![a-z])({'|'.join(sorted(_SETTING_OF, key=len, reverse=True))})"
    rf"(?:[=:]([\w.+-]+?)(?=_[a-z]|[,;/ ]|$)|[ _-]?({_NUMBER}))"
)


def from_hyperparameters(logged: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings among the logged hyperparameters, and the names of the others.

    A name may be an alias (`learning_rate`) and may come with its section (`train/lr`). If `model`
    is the path of somebody's own, `model.hidden` is its keyword. The same is true of the other
    `registry.OWN_PARTS`.
    """
    settings: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in logged.items():
        part = name.partition(".")[0]
        is_keyword = part in registry.OWN_PARTS and registry.is_own(str(logged.get(part)))
        setting = name if "." in name and is_keyword else _setting_of(name)
        try:
            settings |= {setting: _coerced(setting, value)} if setting else {}
        except ConfigError:
            setting = None
        if setting is None:
            unknown.append(name)
    return settings, unknown


def _setting_of(name: str) -> str | None:
    """Return the setting that `name` stands for; None if it is none."""
    last = re.split(r"[./]", name)[-1]
    return _SETTING_OF.get(last.lower().replace("-", "_").replace(" ", "_"))


def from_folder(path: str) -> dict[str, Any]:
    """Return the settings that the path of a folder names; empty if it names none.

    A setting is `lr0.1`, `lr_0.1`, `lr=0.1` or `learning-rate 0.1`, or the bare name of an
    optimizer, data set, model or schedule. Anything but a letter separates settings.
    """
    text = path.lower()
    settings: dict[str, Any] = {}
    # "-" and " " inside a name count as "_"; between a name and its number they do no harm.
    for name, assigned, number in _ASSIGNMENT.findall(
        re.sub(r"(?<=[a-z])[- ](?=[a-z])", "_", text)
    ):
        with contextlib.suppress(ConfigError):
            value = _coerced(_SETTING_OF[name], assigned or number)
            if assigned or not isinstance(value, str):  # `model2` names no model
                settings[_SETTING_OF[name]] = value
    for setting, known in _NAMES.items():
        names = "|".join(map(re.escape, sorted(known, key=len, reverse=True)))
        if found := re.search(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])", text):
            settings.setdefault(setting, found[0])
    return settings


def _coerced(setting: str, value: Any) -> Any:
    """Return `value` in the type of `setting`; this project's names are in lower case.

    The path of somebody's own object and the values of its keywords stay as they are.

    Raises: ConfigError if it has the wrong type.
    """
    found = coerce(setting, value)
    is_name = isinstance(found, str) and "." not in setting and not registry.is_own(found)
    return found.lower() if is_name else found
