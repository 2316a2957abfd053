"""Which room of the code may import which: no arrow leads back, and the docs show them all.

A room is a package inside `study`, a module at its top, or one of the other two packages. The
modules that users run are one room, `commands`.
"""

from __future__ import annotations

import ast
import graphlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PACKAGES = ("lenet", "search_spaces", "study")
COMMANDS = {"__main__", "compare", "grid", "lr_range", "reproduce", "search"}
ENGINES = ("tuning", "scaling")
READING_ROOMS = ("runs", "tracking", "analysis", "tables", "claims", "figures", "report")


def module_name(path: Path) -> str:
    name = ".".join(path.relative_to(PROJECT).with_suffix("").parts)
    return name.removesuffix(".__init__")


MODULES = {
    module_name(path): path for name in PACKAGES for path in sorted((PROJECT / name).rglob("*.py"))
}


def room(module: str) -> str | None:
    """Return the room of a module, None for `study` itself, which holds nothing."""
    package, *inside = module.split(".")
    if package != "study":
        return package
    if not inside:
        return None
    return "commands" if inside[0] in COMMANDS or inside[-1] == "__main__" else inside[0]


def imports(module: str) -> set[str]:
    """Return what a module imports, also inside functions: our modules, and foreign packages."""
    found: set[str] = set()
    for node in _executed(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            source = str(node.module)
            # `from study import grid` imports a module, `from study.grid import TOOL` a name.
            submodules = {f"{source}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= submodules or {source}
    return {name if name in MODULES else name.split(".")[0] for name in found}


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Yield `node` and all below it, except for what only type checkers read."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _executed(child)


def arrows() -> dict[str, set[str]]:
    """Return the rooms that each room imports."""
    found: dict[str, set[str]] = {}
    for module in MODULES:
        if (here := room(module)) is not None:
            theirs = {room(name) for name in imports(module) if name in MODULES}
            found.setdefault(here, set()).update(name for name in theirs - {here} if name)
    return found


ARROWS = arrows()
ROOMS_OF_STUDY = ARROWS.keys() - {"lenet", "search_spaces"}


def foreign(here: str) -> set[str]:
    """Return the foreign packages that a room imports."""
    modules = [module for module in MODULES if room(module) == here]
    return {name for module in modules for name in imports(module)} - MODULES.keys()


def test_study_imports_search_spaces_imports_lenet_never_back() -> None:
    assert ARROWS["lenet"] == set()
    assert ARROWS["search_spaces"] == {"lenet"}


def test_lenet_never_imports_ray() -> None:
    assert "ray" not in foreign("lenet")


def test_search_spaces_are_plain_data() -> None:
    assert not foreign("search_spaces") & {"ray", "torch", "numpy", "optuna", "pandas"}


def test_a_run_is_read_without_ray_and_torch() -> None:
    for here in READING_ROOMS:
        assert not foreign(here) & {"ray", "torch", "torchvision"}


def test_reading_rooms_api_and_commands_load_neither_ray_nor_torch() -> None:
    """Not through another module either: commands refuse bad input before torch is imported."""
    rooms = {*READING_ROOMS, "api", "commandline", "commands"}
    modules = [name for name in MODULES if room(name) in rooms]
    script = (
        "import importlib, sys\n"
        f"for name in {modules}:\n"
        "    importlib.import_module(name)\n"
        "    loaded = {'ray', 'torch', 'torchvision'} & set(sys.modules)\n"
        "    assert not loaded, f'{name} loads {loaded}'\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", sorted(m for m in MODULES if room(m) == "commands"))
def test_a_command_prints_its_first_line_before_it_imports_what_takes_seconds(command) -> None:
    slow = {"ray", "torch", "pandas", "scipy", "sklearn", "matplotlib", "optuna"}
    script = f"import {command}, sys; print(*{slow} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_only_commands_read_a_command_line() -> None:
    assert {here for here in ARROWS if "argparse" in foreign(here)} == {"commandline", "commands"}


def test_engines_do_not_report() -> None:
    for engine in ENGINES:
        above = {"report", "figures", "tables", "claims", "pipeline", "commands", "commandline"}
        assert not ARROWS[engine] & above


def test_engines_do_not_import_each_other() -> None:
    assert "scaling" not in ARROWS["tuning"]
    assert "tuning" not in ARROWS["scaling"]


def test_cluster_imports_no_engine() -> None:
    assert not ARROWS["cluster"] & set(ENGINES)


def test_analysis_imports_runs_alone() -> None:
    assert ARROWS["analysis"] & ROOMS_OF_STUDY == {"runs"}


def test_nobody_imports_a_command() -> None:
    assert [here for here, theirs in ARROWS.items() if "commands" in theirs] == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    graphlib.TopologicalSorter(ARROWS).prepare()  # raises CycleError, which names the rooms


def test_test_modules_do_not_import_each_other() -> None:
    for path in (PROJECT / "tests").rglob("*.py"):
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names |= {str(getattr(node, "module", "")), *(alias.name for alias in node.names)}
        modules = [name for name in names if name.split(".")[-1].startswith("test_")]
        assert not modules, f"{path.name} imports {modules}: move what they share"


def room_list() -> str:
    """Return the list of rooms for the docs: each before the rooms that it imports."""
    sorted_arrows = {here: sorted(ARROWS[here]) for here in sorted(ARROWS)}
    order = [*graphlib.TopologicalSorter(sorted_arrows).static_order()][::-1]
    lines = (f"{here} -> {', '.join(sorted(ARROWS[here], key=order.index))}" for here in order)
    return "\n".join(line.removesuffix("-> ").rstrip() for line in lines)


def block(name: str) -> str:
    """Return what docs/architecture.md shows between the markers of this name."""
    text = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    pattern = rf"<!-- {name} -->\s*```\w*\n(.*?)```\s*<!-- /{name} -->"
    found = re.search(pattern, text, re.DOTALL)
    assert found, f"docs/architecture.md has no block {name}"
    return found[1]


def test_every_arrow_leads_down_in_the_picture_of_the_docs() -> None:
    floors = [line.split() for line in block("floors").splitlines()]
    depth = {here: floor for floor, rooms in enumerate(floors) for here in rooms}
    assert depth.keys() == ARROWS.keys()
    assert [
        (here, there)
        for here, theirs in ARROWS.items()
        for there in theirs
        if depth[here] >= depth[there]
    ] == []


def test_the_docs_show_every_arrow() -> None:
    shown = {}
    for line in block("rooms").splitlines():
        here, _, theirs = line.partition("->")
        shown[here.strip()] = set(re.findall(r"\w+", theirs))
    assert shown == ARROWS, f"the list of rooms in docs/architecture.md should be\n{room_list()}"


def test_test_modules_have_distinct_names() -> None:
    """Else pytest imports only one of two, if both are collected."""
    names = [path.name for path in (PROJECT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
