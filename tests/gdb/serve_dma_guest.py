"""Like serve_guest.py, on a board that has the tests' DMA device: ``python -m tests.gdb.serve_dma_guest``."""

from __future__ import annotations

from unittest import mock

from tests.emu.dma_device import with_dma_device
from tests.gdb.serve_guest import main

if __name__ == "__main__":
    with mock.patch("rdbg.emu.machine.build_board", with_dma_device):
        main()
