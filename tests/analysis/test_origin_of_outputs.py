"""Which store, or which device, sent a byte or a sector, and where its bytes came from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import rdbg
from rdbg.errors import RdbgError
from tests.cli.command import TANK
from tests.cli.command import rdbg as command
from tests.gdb.driver import Gdb
from tests.processes import served

WRITES = Path(__file__).parents[1] / "images" / "guest" / "writes.elf"


@pytest.fixture(scope="module")
def tank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tank") / "tank.rec"
    assert command("record", "-o", path, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return path


def test_a_sent_byte_is_the_register_that_was_stored_to_the_port(tank: Path) -> None:
    with rdbg.open(str(tank)) as run:
        printed = b"".join((row.text or "").encode() + b"\n" for row in run.output("serial"))
        run.goto("50%")
        for number in (1, 5, 37, 60):
            first, *rest = run.command("origin", "sent", "byte", str(number)).splitlines()
            told = re.fullmatch(r"icount (\d+), pc (\S+) put_char\S*: sb: \$(\w+) stored to (0x\w+): "
                                rf"byte {number} of serial 0, value (0x\w+)", first)  # fmt: skip
            assert told is not None, first
            sent = run.goto(f"sent byte {number}")
            assert sent <= int(told[1]) <= sent + 1
            assert int(told[5], 16) == run.register(told[3]) & 0xFF
            assert rest and "andi" in rest[0]
            run.goto("50%")
        with pytest.raises(RdbgError, match="has sent no byte 100000"):
            run.command("origin", "sent", "byte", "100000")
    assert len(printed) > 100


def test_it_is_the_same_at_gdb_s_prompt_and_in_a_shell(gdb_program: str, tank: Path) -> None:
    shell = command("query", tank, "origin", "sent", "byte", "40").stdout.decode()
    assert shell.count("\n") == 2
    rows = command("query", tank, "origin", "sent", "byte", "40", "--json").stdout.decode().splitlines()
    assert [json.loads(row)["name"] for row in rows] == ["sb", "andi"]
    with served(["replay", str(tank), "-S", "-serial", "null"]) as port, Gdb(gdb_program, TANK) as gdb:
        gdb.connect(port)
        before = gdb.run("monitor when").text
        assert gdb.run("monitor origin sent byte 40").text == shell
        assert gdb.run("monitor when").text == before


def test_a_sector_is_followed_to_the_stores_that_made_what_a_disk_read_by_dma(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(bytes(1 << 20))
    path = tmp_path / "writes.rec"
    done = command("record", "-o", path, "--", "-M", "malta", "-m", "16", "-kernel", WRITES, "-serial", "null", "-net",
                   "none", "-no-reboot", "-drive", f"file={tmp_path / 'disk.img'},format=raw,if=ide")  # fmt: skip
    assert done.returncode == 0, done.stderr
    with rdbg.open(str(path)) as run:
        for sector, address in ((40, 0x80300000), (41, 0x80300200), (42, 0x80301000), (47, 0x80301A00)):
            first, then, *_ = run.command("origin", "sent", "sector", str(sector), "--limit", "4").splitlines()
            words = f"ide0 DMA: sent sector {sector} of disk 0: bytes 0 to 511 were read from {address:#x}"
            assert first.endswith(words)
            made = f"stored to {address + 508:#x}, value {(address + 508 - 0x80300000) // 4:#x}"
            assert (made if sector < 42 else f"{address:#010x}: as the run began") in then, then
