"""The CPUs that there are: what each has in CP0, FPU and TLB (values of QEMU 7.2).

All run MIPS32 instructions, of release 2 or 1, and no others: where a real one has MIPS16, microMIPS, the DSP or the MT
extension, or several register sets, its Config registers and Status say here that it has not: guests do without.
"""

from __future__ import annotations

from enum import Enum

from rdbg.emu.architecture import Architecture
from rdbg.emu.mips32 import MIPS32
from rdbg.errors import RdbgError
from rdbg.quick_dataclass import dataclass

_NEXT = 1 << 31  #: Config.M: another Config register follows
_CONFIG0 = _NEXT | 0x82  #: a TLB; kseg0 is uncached until software says otherwise
_CONFIG0_RELEASE_2 = 1 << 10
_CONFIG1 = _NEXT | 0x0019_0C8A  #: 16 KiB caches by their line sizes, watch registers, EJTAG
_CONFIG1_FPU = 1
_CONFIG3_VECTORED = 1 << 5
_SUPERVISOR = 1 << 3
_STATUS = 0x1278_FF17  #: what can be written of Status without FPU and supervisor mode
_STATUS_FPU = 0x2400_0000  #: CU1, FR
_FIR = 0x0073_0000  #: 64-bit registers; long, word, double and single formats


class Extension(Enum):
    """An extension of the instruction set: the Config register that tells of it, and the bits there."""

    MIPS16 = (1, 1 << 2)
    MT = (3, 1 << 2)
    DSP = (3, 1 << 10)


#: Those whose instructions the core runs.
EXTENSIONS: frozenset[Extension] = frozenset()


@dataclass(frozen=True)
class CpuModel:
    """A CPU.

    Args:
        name: as ``-cpu`` writes it.
        prid: processor identification.
        release: of MIPS32: 1 or 2.
        tlb_entries: a power of two.
        fir: floating-point implementation register; 0: there is no FPU.
        supervisor: whether it has supervisor mode.
        extensions: of the instruction set.
        config3: Config3, without what the extensions set.
        config4_to_7: the Config registers behind it; Config3 and those say which there are.
        architecture: what those above the machine know of it.
        lladdr_shift: LLAddr shows the physical address shifted right by this.
    """

    name: str
    prid: int
    release: int = 2
    tlb_entries: int = 16
    fir: int = 0
    supervisor: bool = True
    extensions: frozenset[Extension] = frozenset()
    config3: int = 0
    config4_to_7: tuple[int, int, int, int] = (0, 0, 0, 0)
    architecture: Architecture = MIPS32
    lladdr_shift: int = 4

    def __post_init__(self) -> None:
        if not self.extensions <= EXTENSIONS:
            raise ValueError(f"the core runs no instructions of {self.extensions - EXTENSIONS}")

    @property
    def configs(self) -> tuple[int, ...]:
        """Config to Config7 after reset; Config of a little-endian CPU."""
        config0 = _CONFIG0 | (_CONFIG0_RELEASE_2 if self.release == 2 else 0)
        config1 = _CONFIG1 | (self.tlb_entries - 1) << 25 | (_CONFIG1_FPU if self.fir else 0)
        values = [config0, config1, _NEXT, self.config3, *self.config4_to_7]
        for extension in self.extensions:
            register, bits = extension.value
            values[register] |= bits
        return tuple(values)

    @property
    def status_writable(self) -> int:
        """Bits of Status that software can write."""
        return _STATUS | (_STATUS_FPU if self.fir else 0) | (_SUPERVISOR if self.supervisor else 0)


CPU_MODELS = {
    model.name: model
    for model in (
        CpuModel("4Kc", 0x18000, release=1, supervisor=False),
        CpuModel("4KEcR1", 0x18400, release=1, supervisor=False),
        CpuModel("4KEc", 0x19000, supervisor=False),
        CpuModel("24Kc", 0x19300),
        CpuModel("24KEc", 0x19600),
        CpuModel("24Kf", 0x19300, fir=_FIR | 0x9300),
        CpuModel("34Kf", 0x19500, fir=_FIR | 0x9500, tlb_entries=64, config3=_CONFIG3_VECTORED, lladdr_shift=0),
        CpuModel("74Kf", 0x19700, fir=_FIR | 0x9300, config3=_CONFIG3_VECTORED),
        CpuModel("M14Kc", 0x19C00, supervisor=False),
    )
}
#: QEMU's other 32-bit CPUs, and what each needs that is not there.
REFUSED_CPUS = {
    "4Km": "its fixed mapping in place of a TLB is not there",
    "4KEmR1": "its fixed mapping in place of a TLB is not there",
    "4KEm": "its fixed mapping in place of a TLB is not there",
    "M14K": "its fixed mapping in place of a TLB is not there",
    "P5600": "MIPS32 release 5 is not there",
    "mips32r6-generic": "MIPS32 release 6 is not there",
    "I7200": "nanoMIPS is not there",
}


def cpu_model(name: str) -> CpuModel:
    """The CPU of a name.

    Raises:
        RdbgError: there is none.
    """
    model = CPU_MODELS.get(name)
    if model is None:
        raise RdbgError(f"there is no CPU {name!r} in this version of rdbg; there are {', '.join(CPU_MODELS)}")
    return model
