"""Boards: which devices a machine has and how they are wired."""

from __future__ import annotations

from collections.abc import Mapping

from rdbg.emu.board import Board
from rdbg.emu.device import System
from rdbg.emu.disk import Disk
from rdbg.emu.spec import MachineSpec
from rdbg.errors import UsageError


def _malta(spec: MachineSpec, system: System, disks: Mapping[str, Disk]) -> Board:
    from rdbg.emu.boards.malta import build_malta

    return build_malta(spec, system, disks)


def _bare(spec: MachineSpec, system: System, disks: Mapping[str, Disk]) -> Board:
    from rdbg.emu.boards.bare import build_bare

    return build_bare(spec, system, disks)


#: A builder imports what it builds: a machine loads what it has, and no more.
BOARDS = {"malta": _malta, "bare": _bare}


def build_board(spec: MachineSpec, system: System, disks: Mapping[str, Disk] | None = None) -> Board:
    """Build the board that a description names.

    Args:
        spec: the description.
        system: the machine around the devices.
        disks: what is in each of the description's drives, by the drive's name.

    Raises:
        UsageError: no such board.
        RdbgError: an image is unfit for it.
    """
    build = BOARDS.get(spec.board)
    if build is None:
        raise UsageError(f"unknown machine {spec.board!r}: use {' or '.join(sorted(BOARDS))}")
    return build(spec, system, disks or {})
