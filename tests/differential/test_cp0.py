"""All of CP0, after reset and after each write to each of its registers, is as on QEMU, on every CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from rdbg.emu.cpu_model import CPU_MODELS
from tests.differential.cp0_probe import MULTITHREADING, RESULTS, build_probe, name_results
from tests.differential.qemu import memory_from_qemu
from tests.differential.rdbg_side import memory_from_rdbg

#: Bits that depend on chance (Random), on the moment (Count, where it cannot be stopped; interrupt inputs).
_CHANCE = {"1.0": 0xFFFF_FFFF, "9.0": 0xFFFF_FFFF, "13.0": 0x4000_FC00}
_MIPS16, _MX = 1 << 2, 1 << 24
_DSP, _DSP2, _MT, _ISA = 1 << 10, 1 << 11, 1 << 2, 3 << 14
_ALL = 0xFFFF_FFFF
_REGISTER_SETS = {"12.2": 15 << 26} | {f"6.{select}": _ALL for select in range(1, 6)}
#: What extensions that are not here show on QEMU: bits that rdbg has clear.
_EXTENSIONS: dict[str, dict[str, int]] = {
    "24Kc": {"16.1": _MIPS16},
    "24Kf": {"16.1": _MIPS16},
    "24KEc": {"16.1": _MIPS16, "16.3": _DSP, "12.0": _MX},
    "34Kf": {"16.1": _MIPS16, "16.3": _DSP | _MT, "12.0": _MX, **_REGISTER_SETS},
    "74Kf": {"16.1": _MIPS16, "16.3": _DSP | _DSP2, "12.0": _MX},
    "M14Kc": {"16.3": _ISA},
}
_THREADS = {f"{register}.{select}" for register, select in MULTITHREADING}


def _register(name: str) -> str:
    """The register whose value a result is; empty: it says whether a write was a reserved instruction."""
    what, _, read = name.rpartition(": ")
    return {"itself": what.split(" ")[0], "reserved": ""}.get(read, read)


@pytest.mark.real("qemu-system-mips", "gcc-mipsel-linux-gnu", "gcc-mips-linux-gnu")
@pytest.mark.parametrize(("cpu", "big_endian"), [*((cpu, False) for cpu in CPU_MODELS), ("24Kf", True)])
def test_same_as_qemu(cpu: str, big_endian: bool, tmp_path: Path) -> None:
    has_threads = cpu == "34Kf"
    probe = build_probe(big_endian, tmp_path, MULTITHREADING if has_threads else frozenset())
    place = (probe.path, probe.finish, RESULTS, probe.size, big_endian, cpu)
    qemu = name_results(probe, memory_from_qemu(*place), big_endian)
    rdbg = name_results(probe, memory_from_rdbg(*place), big_endian)
    extensions = _EXTENSIONS.get(cpu, {})
    differences = []
    for name, value in qemu.items():
        register = _register(name)
        if has_threads and register in _THREADS:
            continue
        ignored = _CHANCE.get(register, 0) | extensions.get(register, 0)
        if (value ^ rdbg[name]) & ~ignored:
            differences.append(f"{name}: qemu {value:#010x}, rdbg {rdbg[name]:#010x}")
        assert not rdbg[name] & extensions.get(register, 0), f"{name}: {rdbg[name]:#010x}"
    assert not differences, f"{len(differences)} differ:\n" + "\n".join(differences[:20])
