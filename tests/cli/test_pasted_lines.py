"""Command lines that people paste from the documentation of others: each starts, or is refused with the reason."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.command import TANK, TANK_OUTPUT, rdbg, rdbg_here, start
from tests.images.qemu_img import needs_qemu_img, qemu_img

_DEVICE = "no device can be added to this machine"
_LINES = {
    "u-boot": (
        "-nographic -cpu 24Kc -m 256 -drive if=pflash,file={flash},format=raw "
        "-netdev user,id=net0,tftp=/srv -device pcnet,netdev=net0",
        _DEVICE,
    ),
    "openwrt": (
        "-machine malta -cpu 24Kc -nographic -kernel {tank} -netdev bridge,id=wan,br=br-wan,helper=H "
        "-device pcnet,netdev=wan,mac=M -drive file=R,format=raw -append 'root=/dev/sda rootwait'",
        _DEVICE,
    ),
    "firmae": (
        "-m 1024 -M malta -kernel {tank} -append A -serial file:L -serial unix:S,server,nowait "
        "-monitor unix:M,server,nowait -display none -device e1000,netdev=net0 -netdev tap,id=net0,script=no",
        _DEVICE,
    ),
    "penguin": (
        "-M malta -kernel {tank} -append init=/igloo -display none -drive file=I,if=virtio,cache=unsafe,snapshot=on "
        "-no-reboot -netdev user,id=user.0 -device virtio-net,netdev=user.0 -rtc base=2023-01-01T00:00:00",
        _DEVICE,
    ),
    "replay manual": (
        "-kernel {tank} -drive driver=blkreplay,if=none,image=img-direct,id=img-blkreplay "
        "-device ide-hd,drive=img-blkreplay -object filter-replay,id=replay,netdev=net1",
        _DEVICE,
    ),
}


@pytest.mark.parametrize("name", _LINES)
def test_a_line_that_wants_what_is_not_there_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    line, reason = _LINES[name]
    (tmp_path / "flash").write_bytes(bytes(64))
    done = rdbg_here("run", *shlex.split(line.format(tank=TANK, flash=tmp_path / "flash")))
    assert done.returncode == 2 and reason in done.stderr.decode() and done.stderr.count(b"\n") == 1


def test_zephyr(tmp_path: Path) -> None:
    pid_file = tmp_path / "qemu.pid"
    line = f"-cpu 24Kc -machine malta -serial null -serial null -pidfile {pid_file} -serial mon:stdio -kernel {TANK}"
    with start("run", *shlex.split(line), "-gdb", "tcp::0", "-S") as process:
        assert process.stdin is not None and process.stderr is not None
        process.stdin.write(b"\x01cinfo status\rquit\r")
        process.stdin.flush()
        said = process.stderr.read()
        assert process.wait(30) == 0
    assert b"VM status: paused (prelaunch)" in said
    assert not pid_file.exists(), "it goes when the run ends"


_DISK_LINES = {
    "buildroot": "-M malta -kernel {tank} -serial stdio -drive file={raw},format=raw "
    "-append 'rootwait root=/dev/sda' -net nic,model=pcnet -net user",
    "debian": "-M malta -kernel {tank} -hda {qcow2} -append 'root=/dev/sda1 console=tty0'",
    "firmadyne": "-m 256 -M malta -kernel {tank} -drive if=ide,format=raw,file={raw} -append 'root=/dev/sda1' "
    "-nographic -net nic -net socket,listen=:2000",
    "cd-rom": "-M malta -kernel {tank} -cdrom {raw} -boot d",
    "four": "-M malta -kernel {tank} -hda {qcow2} -hdb {raw} -hdd {raw} -snapshot",
}


@needs_qemu_img
@pytest.mark.parametrize("name", _DISK_LINES)
def test_a_line_with_disks_runs_and_is_replayed_without_them(name: str, tmp_path: Path) -> None:
    raw, qcow2 = tmp_path / "raw", tmp_path / "qcow2"
    raw.write_bytes(bytes(1 << 20))
    qemu_img("create", "-f", "qcow2", qcow2, "1G")
    words = shlex.split(_DISK_LINES[name].format(tank=TANK, raw=raw, qcow2=qcow2))
    recorded = rdbg("record", "-o", tmp_path / "run", *words)
    assert recorded.returncode == 0 and recorded.stdout == TANK_OUTPUT, recorded.stderr
    raw.unlink()
    qcow2.unlink()
    replayed = rdbg("replay", tmp_path / "run")
    assert replayed.returncode == 0 and replayed.stdout == TANK_OUTPUT, replayed.stderr


def test_qemus_own_line_for_reverse_debugging(tmp_path: Path) -> None:
    journal = tmp_path / "r.bin"
    icount = f"shift=3,rrfile={journal},rrsnapshot=init"
    common = ["-net", "none", "-serial", "stdio", "-drive", "file=empty.qcow2,if=none,id=rr", "-kernel", TANK]
    recorded = rdbg("run", "-icount", f"{icount},rr=record", *common)
    assert recorded.returncode == 0 and recorded.stdout == TANK_OUTPUT
    said = f"drive rr: not used; snapshots are kept beside the recording, in {journal}.snapshots"
    assert said in recorded.stderr.decode()
    replayed = rdbg("run", "-icount", f"{icount},rr=replay", *common)
    assert replayed.returncode == 0 and replayed.stdout == TANK_OUTPUT
