"""Command lines that people paste from the documentation of others: each starts, or is refused with the reason."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.cli.command import TANK, TANK_OUTPUT, rdbg, start
from tests.images.qemu_img import needs_qemu_img, qemu_img


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


_LINES = {
    "buildroot": "-M malta -kernel {tank} -serial stdio -drive file={raw},format=raw "
    "-append 'rootwait root=/dev/sda' -net nic,model=pcnet -net user",
    "debian": "-M malta -kernel {tank} -hda {qcow2} -append 'root=/dev/sda1 console=tty0'",
    "firmadyne": "-m 256 -M malta -kernel {tank} -drive if=ide,format=raw,file={raw} -append 'root=/dev/sda1' "
    "-nographic -net nic -net socket,listen=:0 -net nic -net socket,listen=:0",
    "cd-rom": "-M malta -kernel {tank} -cdrom {raw} -boot d",
    "four": "-M malta -kernel {tank} -hda {qcow2} -hdb {raw} -hdd {raw} -snapshot",
    "openwrt": "-M malta -cpu 24Kc -kernel {tank} -nographic -m 256",
    "openwrt with a bridge": "-machine malta -cpu 24Kc -nographic -kernel {tank} -netdev bridge,id=wan,br=br-wan,"
    "helper={helper} -device pcnet,netdev=wan,mac=00:11:22:33:44:55 -netdev bridge,id=lan,br=br-lan,helper={helper} "
    "-device pcnet,netdev=lan,mac=00:11:22:33:44:56 -drive file={raw},format=raw -append 'root=/dev/sda rootwait'",
    "firmae": "-m 1024 -M malta -kernel {tank} -drive if=ide,format=raw,file={raw} -append root=/dev/sda1 "
    "-serial stdio -serial unix:{folder}/S1,server,nowait -monitor unix:{folder}/M,server,nowait -display none "
    "-device e1000,netdev=net0 -netdev user,id=net0,hostfwd=tcp::0-:80,hostfwd=udp::0-:53 "
    "-device e1000,netdev=net1 -netdev socket,id=net1,listen=:0 -device e1000,netdev=net2 "
    "-netdev socket,id=net2,listen=:0 -device e1000,netdev=net3 -netdev socket,id=net3,listen=:0",
    "penguin": "-M malta -kernel {tank} -append init=/igloo -display none -no-reboot "
    "-drive file={qcow2},if=virtio,cache=unsafe,snapshot=on -netdev user,id=user.0 -device virtio-net,netdev=user.0 "
    "-rtc base=2023-01-01T00:00:00 -serial mon:stdio -serial telnet:127.0.0.1:0,server,nowait -device virtio-serial "
    "-chardev socket,id=c,path={folder}/c,server=on,wait=off -device virtconsole,chardev=c -object rng-builtin,id=r "
    "-chardev socket,id=g,path={folder}/g,server,nowait -device virtserialport,chardev=g,name=org.qemu.guest_agent.0 "
    "-device virtio-rng-pci,rng=r",
    "replay manual": "-kernel {tank} -drive file={qcow2},if=none,snapshot=on,id=img-direct "
    "-drive driver=blkreplay,if=none,image=img-direct,id=img-blkreplay -device ide-hd,drive=img-blkreplay "
    "-netdev user,id=net1 -device rtl8139,netdev=net1 -object filter-replay,id=replay,netdev=net1",
    "old": "-kernel {tank} -net nic,model=rtl8139,macaddr=52:54:00:aa:bb:cc -net user,hostname=h -net nic "
    "-object filter-dump,id=d,netdev=#net000,file={folder}/p",
}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path | str]:
    """What the lines name: images, a program that makes network interfaces, a folder."""
    raw, qcow2, helper = (tmp_path / name for name in ("raw", "qcow2", "helper"))
    raw.write_bytes(bytes(1 << 20))
    qemu_img("create", "-f", "qcow2", qcow2, "1G")
    made = "s.socketpair(s.AF_UNIX, s.SOCK_DGRAM)"
    number = "int(sys.argv[2].partition('=')[2])"
    code = f"import socket as s, sys; ends = {made}; s.send_fds(s.socket(fileno={number}), [b'x'], [ends[0].fileno()])"
    helper.write_text(f"#!{sys.executable}\n{code}\n")
    helper.chmod(0o755)
    return {"tank": TANK, "raw": raw, "qcow2": qcow2, "helper": helper, "folder": tmp_path}


@needs_qemu_img
@pytest.mark.real("libslirp0")
@pytest.mark.parametrize("name", _LINES)
def test_a_line_runs_and_is_replayed_without_images_and_networks(
    name: str, places: dict[str, Path | str], tmp_path: Path
) -> None:
    words = shlex.split(_LINES[name].format_map(places))
    recorded = rdbg("record", "-o", tmp_path / "run", *words)
    assert recorded.returncode == 0 and recorded.stdout == TANK_OUTPUT, recorded.stderr
    for place in ("raw", "qcow2", "helper"):
        Path(places[place]).unlink()
    replayed = rdbg("replay", tmp_path / "run")
    assert replayed.returncode == 0 and replayed.stdout == TANK_OUTPUT, replayed.stderr
    if name == "four":  # QEMU wants the whole line again
        replayed = rdbg("run", *words, "-icount", f"rr=replay,rrfile={tmp_path / 'run'}")
        assert replayed.returncode == 0 and replayed.stdout == TANK_OUTPUT, replayed.stderr


def test_a_screen_that_is_not_there_is_no_console() -> None:
    """Debian's images come with a line for a window: nothing would be seen."""
    line = ["run", "-kernel", TANK, "-serial", "stdio", "-append"]
    said = rdbg(*line, "root=/dev/sda1 console=tty0").stderr.decode()
    assert said == "rdbg: -append console=tty0: that is a screen, and there is none; console=ttyS0 is the terminal\n"
    assert rdbg(*line, "console=tty0 console=ttyS0,115200").stderr == b""


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


def test_a_disk_has_its_geometry_in_a_replay_too(tmp_path: Path) -> None:
    image, journal = tmp_path / "image", tmp_path / "run"
    sectors = 8 * 32 * 4
    table = bytearray(512)
    table[0x1BE:0x1CE] = bytes((0, 0, 2, 0, 0x83, 7, 32, 3)) + (1).to_bytes(4, "little") + sectors.to_bytes(4, "little")
    table[0x1FE:] = b"\x55\xaa"
    image.write_bytes(bytes(table).ljust(512 * sectors, b"\0"))
    line = ["-kernel", TANK, "-serial", "stdio", "-drive", f"file={image},format=raw"]
    recorded = rdbg("record", "-o", journal, *line)
    assert recorded.returncode == 0, recorded.stderr
    image.unlink()
    replayed = rdbg("replay", journal)
    assert (replayed.returncode, replayed.stdout) == (0, TANK_OUTPUT), replayed.stderr
    assert replayed.stderr.count(b"\n") == 1, replayed.stderr
