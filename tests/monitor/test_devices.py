"""``info network``, ``info block``, ``info pci`` and ``set_link``: cards and drives as QEMU's monitor shows them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.command import TANK
from tests.processes import RDBG

CARDS = (
    "-nic", "none", "-vga", "none", "-netdev", "user,id=n0", "-netdev", "hubport,hubid=1,id=n1",
    "-device", "e1000,id=wan,netdev=n0,romfile=", "-device", "pcnet,romfile=,netdev=n1", "-device", "pcnet,romfile=",
    "-device", "rtl8139,romfile=", "-device", "virtio-net-pci,romfile=", "-device", "virtio-rng-pci,id=dice",
)  # fmt: skip

MACHINE = ("-M", "malta", "-kernel", str(TANK), "-serial", "null", "-monitor", "stdio", "-display", "none")


def monitor(program: list[str], *lines: str) -> list[str]:
    """What a monitor answers to each line."""
    typed = "".join(f"{line}\n" for line in (*lines, "quit"))
    done = subprocess.run([*program, *MACHINE], input=typed, stdout=subprocess.PIPE, text=True, timeout=60)
    pieces = re.split(r"\((?:qemu|rdbg)\) ", done.stdout.replace("\r", ""))[1:]
    # QEMU's line editor echoes what is typed, again for each letter.
    return ["".join(line for line in piece.splitlines(True) if "\x1b[K" not in line) for piece in pieces[: len(lines)]]


@pytest.mark.real("qemu-system-mips", "libslirp0")
def test_pci_and_network_are_shown_as_on_qemu() -> None:
    asked = ("info pci", "info network")
    pci, network = monitor([*RDBG, "run", "-S", *CARDS], *asked)
    their_pci, their_network = monitor(["qemu-system-mipsel", "-S", *CARDS], *asked)
    assert pci == _without_msix(their_pci) and 'id "wan"' in pci and "SCSI" not in pci
    ours = [line for line in network.splitlines() if "type=nic" in line or "type=user" in line]
    their_network = their_network.replace(" \\ n1: ", "")  # QEMU lists hubs by their ports
    theirs = [line for line in their_network.splitlines() if "type=nic" in line or "type=user" in line]
    assert sorted(ours) == sorted(theirs) and len(ours) == 6


def _without_msix(table: str) -> str:
    """QEMU's virtio cards have registers for interrupts by message, which malta's bus does not take."""
    return re.sub(r"      BAR1: 32 bit memory at 0xf{16} \[0x00000ffe\]\.\n", "", table)


def test_drives_are_shown_with_what_is_in_them(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    words = ["-net", "none", "-drive", f"file={image},format=raw,if=ide,index=0", "-S"]
    (shown,) = monitor([*RDBG, "run", *words], "info block")
    assert f"ide0-hd0: {image} (raw)\n    Size:             1048576 bytes\n" in shown
    assert "ide1-cd0: [not inserted]\n" in shown and "tray closed" in shown


def test_a_link_that_changes_is_recorded_and_a_replay_refuses_to_change_it(tmp_path: Path) -> None:
    record = [*RDBG, "record", "-o", str(tmp_path / "run"), "--", "-S", *CARDS]
    lines = ("set_link wan off", "set_link pcnet.1 off", "set_link n0 on", "set_link lan off", "set_link wan maybe")
    with subprocess.Popen(
        [*record, *MACHINE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("".join(f"{line}\n" for line in (*lines, "set_link", "cont")))
        shown = process.stdout.read()  # the guest runs to its end
    assert shown.count("the link changes when the guest goes on\n") == 3
    assert "Error: Device 'lan' not found; there are: wan, pcnet.0, pcnet.1, rtl8139.0" in shown
    assert "expected 'on' or 'off', not 'maybe'" in shown and "usage: set_link NAME on|off\n" in shown
    dumped = subprocess.run([*RDBG, "dump", str(tmp_path / "run")], stdout=subprocess.PIPE, text=True, check=True)
    links = [line for line in dumped.stdout.splitlines() if " link" in line]
    assert len(links) == 3, dumped.stdout
    replay = [*RDBG, "replay", str(tmp_path / "run"), "-S", "-serial", "null", "-monitor", "stdio"]
    done = subprocess.run(replay, input="set_link wan off\nquit\n", stdout=subprocess.PIPE, text=True, timeout=60)
    assert "(rdbg) Error: cannot change a link at icount 0: this recording is finished" in done.stdout
