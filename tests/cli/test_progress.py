"""What takes long says how far it is, wherever it was asked: commands without GDB, and monitors without GDB."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from rdbg.recording.pack import pack, unpack
from tests.cli.command import TANK, rdbg
from tests.cli.test_monitor import Typist, _connect
from tests.monitor.test_progress import Told
from tests.processes import all_of, spawn, terminal
from tests.workers.runs import IMPATIENT


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "rec"
    assert rdbg("record", "-o", path, "-kernel", TANK, "-serial", "stdio").returncode == 0
    return path


def test_pack_and_unpack_tell_of_every_byte(recording: Path, tmp_path: Path) -> None:
    packed, unpacked = Told(), Told()
    pack(str(recording), str(tmp_path / "p"), packed)
    unpack(str(tmp_path / "p"), str(tmp_path / "again"), unpacked)
    size = (tmp_path / "again").stat().st_size + (tmp_path / "again.snapshots").stat().st_size
    assert packed.heard[-1] == (size, size, "bytes packed")
    assert unpacked.heard[-1] == (size, size, "bytes unpacked")
    assert (tmp_path / "again").read_bytes() == recording.read_bytes()


def test_a_monitor_without_gdb_shows_rows_and_progress_and_hears_ctrl_c(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "m"
    words = ["replay", str(recording), "-serial", "null", "-monitor", f"unix:{path},server,nowait", "-S"]
    process = spawn(
        [*IMPATIENT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with _connect(path, process) as connection:
            typist = Typist(connection)
            said = typist.ask("executions put_char --json").splitlines()
            rows = [line for line in said if not line.startswith("...")]
            whole = rdbg("query", recording, "executions", "put_char", "--json").stdout.decode().splitlines()
            assert rows == whole and len(said) > len(rows)
            connection.sendall(b"executions 0x80100000..\x03\x15executions put_char\n\x03")
            answer = typist.read()
            assert answer.endswith("interrupted: this is what was found until then\n")
            assert typist.ask("info status").startswith("VM status"), "the next line is not meant"
            assert typist.ask("executions put_char --count").splitlines()[-1] == str(len(whole))
    finally:
        process.kill()
        process.wait()


def test_debug_draws_a_bar_while_it_goes_to_a_place(recording: Path) -> None:
    ours, theirs = terminal()
    words = ["debug", str(recording), "--at", "50%", "--batch", "--ex", "info registers pc"]
    with spawn([*IMPATIENT, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        drawn = all_of(ours)
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and b"\npc: " in out and b"power_off" not in out
    assert re.search(r"\rinstructions replayed: +\d+%\|", drawn)
