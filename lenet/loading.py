"""Objects by their path in text, and the place in the user's code where they fail.

A path is "package.module:name" or "folder/file.py:name". The file's folder then becomes importable,
here and in the workers.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
import sysconfig
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from lenet.config import ConfigError, TrainConfig

_PROJECT = str(Path(__file__).parents[1])
_PARTS_OF_PROJECT = tuple(
    os.path.join(_PROJECT, name)
    for name in (
        "lenet",
        "study",
        *(f"search_spaces/{n}.py" for n in ("declaration", "parts", "space", "study")),
    )
)
_POSITIONAL = {"model": 0, "loss": 2, "optimizer": 1, "schedule": 1}
"""the number of leading positional parameters of each part, such as a loss's outputs and targets"""
_GIVEN: Mapping[str, Collection[str]] = {
    "model": (),
    "loss": (),
    "optimizer": ("lr",),
    "schedule": ("lr", "steps_per_epoch", "total_steps"),
}
"""parameters that come from other settings"""
_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platlib", "purelib"))


def load_object(path: str, setting: str = "") -> Any:
    """Import the object at `path`, the value of `setting` if one is given.

    Raises: ConfigError, which names the setting, if it cannot be imported.
    """
    typed = f"{setting}={path}" if setting else repr(path)
    module_name, _, name = path.rpartition(":")
    if module_name.endswith(".py"):
        module_name = _module_of_file(module_name, f"{setting}=" if setting else "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"cannot load {typed}: {error}; expected package.module:name of an installed "
                "package or of a file in the working directory"
            ) from error
        raise _import_error(typed, module_name, error) from error
    except (Exception, SystemExit) as error:  # importing the user's module may raise anything
        raise _import_error(typed, module_name, error) from error
    try:
        return getattr(module, name)
    except AttributeError as error:
        file = getattr(module, "__file__", None)
        place = f" ({_shown(file)})" if file else ""
        raise ConfigError(
            f"cannot load {typed}: {module_name} has no {name}{place}; expected package.module:name"
        ) from error


def folders() -> list[str]:
    """Return the folders that objects in files were loaded from, which workers need, too."""
    return list(_folders)


_folders: dict[str, None] = {}


def _module_of_file(file: str, typed: str) -> str:
    """Make the folder of `file` importable, here and in processes that this one starts.

    `typed`: what the user typed before the file, for messages. Returns: the name of its module.
    """
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise ConfigError(f"{typed}{file} is not a file: name a file, or package.module")
    if not path.stem.isidentifier():
        raise ConfigError(
            f"{typed}{file} cannot be imported: use only letters, digits and _ in the file's name"
        )
    loaded = getattr(sys.modules.get(path.stem), "__file__", None)
    if path.stem in sys.modules and (loaded is None or Path(loaded) != path):
        raise ConfigError(
            f"{typed}{file} has the name of another module, {loaded or path.stem}: rename the file"
        )
    folder = str(path.parent)
    if folder not in _folders:
        _folders[folder] = None
        sys.path.insert(0, folder)
        paths = [folder, os.environ.get("PYTHONPATH")]
        os.environ["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    return path.stem


def describe_failure(error: BaseException) -> str:
    """Return the type, the message and the place of an error of the user's code, in one line."""
    text = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    place = _place_of_error(error)
    return f"{text} ({place})" if place and place not in text else text


def place_of(thing: Any) -> str:
    """Return where the user has defined `thing`, such as ` (my_study.py, line 12)`.

    Empty for what Python, a library or this project defines.
    """
    thing = inspect.unwrap(thing) if callable(thing) else type(thing)
    try:
        file, (_, line) = inspect.getsourcefile(thing), inspect.getsourcelines(thing)
    except (TypeError, OSError):  # an instance, or code that is not in a file
        return ""
    return f" ({_shown(file)}, line {line})" if file and _is_users(file) else ""


def path_of(setting: str, thing: Any) -> str:
    """Return the path of a class or function that is the value of a setting, "module:name".

    Raises: ConfigError if workers cannot import it by a path.
    """
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    if not name.isidentifier() or not module:
        raise ConfigError(
            f"{setting}={thing!r} cannot be imported by workers: define it at the top of a module"
        )
    return f"{module}:{name}"


def load_own(config: TrainConfig, part: str) -> Callable[..., Any]:
    """Import the user's own `part` of a config, such as its loss.

    Raises: ConfigError if it cannot be imported or called.
    """
    path: str = getattr(config, part)
    loaded = load_object(path, part)
    if not callable(loaded):
        kind = type(loaded).__name__
        raise ConfigError(f"{part}={path} is a {kind}: name a class or a function")
    function: Callable[..., Any] = loaded
    return function


def own_keywords(
    config: TrainConfig, part: str, function: Callable[..., Any], offered: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the keywords for the user's own `part`: its own, and those of `offered` it takes.

    Raises: ConfigError if it does not take a keyword that is set, such as `optimizer.k`.
    """
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in without a signature
        parameters = {}  # type: ignore[assignment]
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    own = config.keywords_of(part)
    for keyword in own:
        if keyword not in parameters and not takes_all:
            raise unknown_keyword(part, keyword, getattr(config, part), function, parameters)
    taken = {k: v for k, v in offered.items() if k in parameters or takes_all}
    return taken | own


def unknown_keyword(
    part: str, keyword: str, path: str, function: object, parameters: Iterable[str]
) -> ConfigError:
    """Return the error for a setting, such as `model.depht`, that the user's `part` lacks."""
    taken = [name for name in list(parameters)[_POSITIONAL[part] :] if name not in _GIVEN[part]]
    close = difflib.get_close_matches(keyword, taken, n=1, cutoff=0.5)
    hint = f"; did you mean {part}.{close[0]}?" if close else ""
    return ConfigError(
        f"{part}.{keyword} is set, but {part}={path}{place_of(function)} takes no {keyword}: its "
        f"keywords are {', '.join(taken) or 'none'}{hint}"
    )


def describe_keywords(part: str, own: Mapping[str, Any]) -> str:
    """Return the user's own keywords for a message, such as ` with model.depth=2`."""
    shown = ", ".join(f"{part}.{keyword}={value}" for keyword, value in own.items())
    return f" with {shown}" if shown else ""


def _place_of_error(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{_shown(error.filename)}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_users(frame.filename)]
    return f"{_shown(own[-1].filename)}, line {own[-1].lineno}" if own else ""


def _is_users(file: str) -> bool:
    return not file.startswith("<") and not file.startswith((*_PARTS_OF_PROJECT, *_LIBRARIES))


def _shown(file: str) -> str:
    """Return a path as the user knows it: relative, if it is below the working directory."""
    relative = os.path.relpath(file)
    return file if relative.startswith("..") else relative


def _import_error(typed: str, module: str, error: BaseException) -> ConfigError:
    if isinstance(error, ConfigError):  # it says what to type
        place = _place_of_error(error)
        return ConfigError(f"cannot load {typed}{f' ({place})' if place else ''}: {error}")
    return ConfigError(
        f"cannot load {typed}: importing {module} raises "
        f"{describe_failure(error)}; mend that module"
    )
