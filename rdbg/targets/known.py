"""The architectures that debuggers are told more of than their own data says."""

from __future__ import annotations

from rdbg.emu.architecture import Architecture
from rdbg.targets.mips32_target import MIPS32_TARGET
from rdbg.targets.target import Target

_TARGETS = {target.architecture.name: target for target in (MIPS32_TARGET,)}


def target_of(architecture: Architecture) -> Target:
    """What debuggers know of an architecture."""
    return _TARGETS.get(architecture.name) or Target(architecture)
