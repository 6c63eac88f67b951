"""The compiled core's files stand in one order, lower ones first, and what looks at the CPU cannot change it."""

from __future__ import annotations

import re
from pathlib import Path

import rdbg.emu

EMU = Path(rdbg.emu.__file__).parent
_FUNCTION = re.compile(r"^cdef (?!enum|struct|class)[^\n(=]*?\b(\w+)\(([^)]*)", re.M)
#: What a debugger's look goes through: registers, memory, translation, conditions, what the next step would do.
LOOKING = {
    "translate": {"kernel_mode", "translate", "ask_what_stands_at", "stands_at", "load_host"},
    "registers": {"gpr", "fcsr", "read_registers", "fpr_value", "effective_address"},
    "soft_tlb": {"fetch_host", "code_word", "slot_at", "step_length", "slot_runs"},
    "cp0": {"read_cp0"},
    "expressions": {"expression_register", "expression_memory", "expression_value", "condition_holds", "value_of"},
    "breakpoints": {"find_breakpoint", "breakpoint_at", "stops_here"},
    "watches": {"place_of", "link_holds"},
    "looking": {"watched_by", "watched_access", "current_place"},
    "reset": {"save_cpu"},
    "pages": {"read_pages", "copy_pages", "nonzero_pages"},
}


def _files() -> dict[str, str]:
    core = (EMU / "core.pyx").read_text()
    names = re.findall(r'^include "(\w+)\.pxi"$', core, re.M)
    assert sorted(names) == sorted(path.stem for path in EMU.glob("*.pxi"))
    return {name: (EMU / f"{name}.pxi").read_text() for name in names}


def test_no_file_calls_a_later_one() -> None:
    files = _files()
    order = list(files)
    home = {match[1]: name for name, text in files.items() for match in _FUNCTION.finditer(text)}
    assert len(home) > 150
    upward = [
        f"{name} calls {called} of {home[called]}"
        for name, text in files.items()
        for called in sorted(set(re.findall(r"(?<!\.)\b(\w+)\(", text)))
        if called in home and order.index(home[called]) > order.index(name)
    ]
    assert upward == []


def test_the_block_hook_calls_nothing_but_what_it_ends_with() -> None:
    """A call in its middle, also an inlined one, has it save registers at each block: 4 % of a run of short blocks."""
    body = _files()["blocks"].split("cdef void on_block(")[1].split("\n", 1)[1]
    called = re.findall(r"\b(\w+)\(", body.partition("\n\n\n")[0])
    assert called == ["recent_slot", "recent_key", "enter_rarely", "enter_block"]


def test_the_document_says_what_each_file_is_for() -> None:
    document = (EMU.parents[1] / "docs" / "cpu.md").read_text()
    files = [f"{name}.pxi" for name in _files()] + [path.name for path in EMU.glob("*.pxd")]
    assert [name for name in files if f"`{name}`" not in document] == []


def test_looking_takes_a_cpu_that_it_cannot_change() -> None:
    """The compiler refuses a `const Cpu *` where a function may change the CPU (-Werror=discarded-qualifiers)."""
    files = _files()
    for name, functions in LOOKING.items():
        parameters = {match[1]: match[2] for match in _FUNCTION.finditer(files[name])}
        for function in functions:
            assert parameters[function].startswith("const Cpu *"), f"{name}: {function}({parameters[function]})"
    setup = EMU.parents[1] / "setup.py"
    assert "-Werror=discarded-qualifiers" in setup.read_text()
