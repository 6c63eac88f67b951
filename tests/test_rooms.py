"""The rooms of the package and their order: who may import whom. It reads the imports, the compiled core's too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "rdbg"

#: From the bottom to the top: a room imports from rooms before it alone. What they are for: docs/architecture.md.
ORDER = (
    "__init__",
    "errors",
    "quick_dataclass",
    "host",
    "net",
    "elf",
    "emu",
    "peripheral",
    "targets",
    "rsp",
    "symbols",
    "journal",
    "history",
    "checkpoints",
    "store",
    "recording",
    "images",
    "navigation",
    "timeline",
    "analysis",
    "serial",
    "netdev",
    "monitor",
    "qmp",
    "stub",
    "gdbstub",
    "session",
    "workers",
    "chaos",
    "library",
    "agents",
    "ui",
    "cli",
    "__main__",
)

#: Runs inside GDB, which has Python of its own and no rdbg.
INSIDE_GDB = "gdb"


@dataclass(frozen=True)
class Arrow:
    """An import, wherever it stands: at the top, in a function, or for type checkers alone.

    Args:
        source: the module that has it.
        line: where.
        target: the module imported.
    """

    source: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def _sources() -> dict[str, Path]:
    """Every module of the package by its name; compiled ones and what they share by their source."""
    paths = [path for suffix in ("*.py", "*.pyx", "*.pxd") for path in PACKAGE.rglob(suffix)]
    return {_name(path): path for path in paths}


SOURCES = _sources()


def _imports(path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Line, module and names of each import that a file has."""
    text = path.read_text()
    if path.suffix != ".py":
        for included in re.findall(r'^include "(.*)"$', text, re.MULTILINE):
            yield from _cython_imports((path.parent / included).read_text())
        yield from _cython_imports(text)
        return
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write the whole name"
            yield node.lineno, node.module or "", [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, []


def _cython_imports(text: str) -> Iterator[tuple[int, str, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r"\s*(?:from\s+([\w.]+)\s+)?c?import\s+(.*)", line)
        if match is not None:
            names = re.findall(r"[\w.]+", match[2])
            yield from [(number, match[1], names)] if match[1] else [(number, name, []) for name in names]


def _arrows() -> list[Arrow]:
    found = []
    for source, path in SOURCES.items():
        for line, module, names in _imports(path):
            if module.split(".")[0] != "rdbg":
                continue
            modules = {f"{module}.{name}" for name in names if f"{module}.{name}" in SOURCES}
            if not names or any(f"{module}.{name}" not in SOURCES for name in names):
                modules.add(module if module != "rdbg" else "rdbg.__init__")
            found += [Arrow(source, line, target) for target in sorted(modules)]
    return found


def _room(module: str) -> str:
    return module.split(".")[1]


ARROWS = _arrows()


def test_every_module_is_in_a_room_and_every_room_is_there() -> None:
    assert {_room(module) for module in SOURCES} - {INSIDE_GDB} == set(ORDER)


def test_every_import_names_a_module_that_is_there() -> None:
    assert [str(arrow) for arrow in ARROWS if arrow.target not in SOURCES] == []


def test_no_room_imports_from_one_above_it() -> None:
    upward = [
        str(arrow)
        for arrow in ARROWS
        if _room(arrow.source) != _room(arrow.target)
        and ORDER.index(_room(arrow.target)) >= ORDER.index(_room(arrow.source))
    ]
    assert upward == []


def test_no_two_modules_need_each_other() -> None:
    needed: dict[str, set[str]] = {module: set() for module in SOURCES}
    for arrow in ARROWS:
        needed[arrow.source].add(arrow.target)
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle of imports: {' <- '.join(error.args[1])}")


def test_what_runs_inside_gdb_imports_nothing_of_rdbg_and_is_imported_by_nothing() -> None:
    touching = [arrow for arrow in ARROWS if INSIDE_GDB in (_room(arrow.source), _room(arrow.target))]
    assert touching == []


#: Names that stand for two things all the same.
SHARED_NAMES = {
    "fields.py": "of packets, and of a device's saved state: each is at home in its room",
    "main": "where a program begins, here and in every other one",
}


def _owners(names: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    owners: dict[str, list[str]] = {}
    for name, owner in names:
        owners.setdefault(name, []).append(owner)
    return {name: found for name, found in owners.items() if len(found) > 1 and name not in SHARED_NAMES}


def test_no_two_modules_have_one_file_name() -> None:
    assert _owners((path.name, module) for module, path in SOURCES.items() if path.name != "__init__.py") == {}


def test_no_two_classes_or_functions_have_one_public_name() -> None:
    defined = (
        (node.name, module)
        for module, path in SOURCES.items()
        if path.suffix == ".py"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    )
    assert _owners(defined) == {}


def test_the_machine_knows_no_word_of_gdbs() -> None:
    """What its protocol calls expressions, and parts of a description, is known above."""
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for suffix in ("*.py", "*.pyi", "*.pyx", "*.pxd", "*.pxi")
        for path in (PACKAGE / "emu").rglob(suffix)
        for line in path.read_text().splitlines()
        if re.search(r"agent_|Agent[A-Z]|org\.gnu|qSupported|\bbs\b packet", line)
    ]
    assert found == []


#: What is written the same for every architecture.
ALIKE = ("stub", "rsp", "navigation", "checkpoints", "timeline", "analysis", "gdbstub")
_ARCHITECTURE = re.compile(r"mips|delay|kseg|0x8000", re.IGNORECASE)
_WIDTH = re.compile(r"1 << 32|& ~3")


def test_no_room_that_serves_every_architecture_knows_one() -> None:
    """What they need to know, the machine's `Architecture` says."""
    found = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in PACKAGE.rglob("*.py")
        for line in path.read_text().splitlines()
        if (path.relative_to(PACKAGE).parts[0].removesuffix(".py") in ALIKE and _ARCHITECTURE.search(line))
        or (path.relative_to(PACKAGE).parts[0] != "emu" and _WIDTH.search(line))
    ]
    assert found == []
