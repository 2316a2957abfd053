"""Checks of the user's own parts before anything slow, from the text of their modules.

Importing a module of the user's imports torch, which takes seconds. So a part is looked up in the
source of its module first. Only if it seems to be missing, or not to take a keyword, is the module
imported, to be sure and for the message.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Collection, Iterable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from lenet import registry
from lenet.config import TrainConfig, parse_metric
from lenet.loading import load_object, own_keywords


def check_own_parts(configs: Iterable[TrainConfig]) -> None:
    """Check that the user's own parts exist and take the keywords that are set.

    A keyword of a class or function whose signature the source does not show, such as a decorated
    or inherited one, is not checked here.

    Raises: ConfigError if a part cannot be imported, or does not take a keyword.
    """
    checked = set()
    for config in configs:
        parts = [(part, getattr(config, part)) for part in registry.KNOWN]
        metrics = map(parse_metric, config.metrics or ())
        parts += [(f"metric {name}", path) for name, _, path in metrics]
        for part, path in parts:
            keywords = frozenset(config.keywords_of(part))
            if registry.is_own(path) and (part, path, keywords) not in checked:
                checked.add((part, path, keywords))
                if not _is_in_source(path, keywords):
                    own = load_object(path, part)
                    if callable(own) and part in registry.OWN_PARTS:
                        own_keywords(config, part, own, {})


def _is_in_source(path: str, keywords: Collection[str]) -> bool:
    """Return False if the object at `path` seems to be missing, or not to take the keywords."""
    module, _, name = path.rpartition(":")
    file = module if module.endswith(".py") else _source_file(module)
    if file == "":  # a module without source
        return True
    try:
        tree = ast.parse(Path(file).expanduser().read_bytes()) if file else None
    except (OSError, SyntaxError, ValueError):
        return False
    return tree is not None and name in _names(tree) and _takes(tree, name, keywords)


def _source_file(module: str) -> str | None:
    """Return the source file of a module, without importing it or its packages.

    None if no such module is found so; an empty text if it has no source.
    """
    first, *inner = module.split(".")
    name = first
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(first)
        for child in inner:
            folders = spec.submodule_search_locations if spec else None
            name = f"{name}.{child}"
            spec = PathFinder.find_spec(name, folders) if folders is not None else None
    # In turn: no parent; no name, or a module made at run time; a folder without __init__.py in a
    # package that is not imported yet.
    except (ImportError, ValueError, KeyError):
        return None
    if spec is None:
        return None
    return spec.origin if spec.origin and spec.origin.endswith(".py") else ""


def _names(tree: ast.Module) -> Collection[str]:
    """Return the names that a module may define, in any of its scopes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
    return found


def _takes(tree: ast.Module, name: str, keywords: Collection[str]) -> bool:
    """Return False if the source shows a signature of `name` that lacks one of the keywords."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    if any(isinstance(node.ctx, ast.Store) and node.id == name for node in names):
        return True  # it may be wrapped: `net = wrapper(net)`
    defined: list[ast.stmt] = [*tree.body]
    for wanted in (name, "__init__"):  # of a class, the constructor counts
        found = [
            node
            for node in defined
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == wanted
        ]
        if not found or found[-1].decorator_list:
            return True
        if isinstance(found[-1], ast.FunctionDef):
            taken = found[-1].args
            every = {a.arg for a in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)}
            return taken.kwarg is not None or set(keywords) <= every
        defined = found[-1].body
    return True
