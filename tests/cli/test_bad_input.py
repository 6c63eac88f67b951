"""Every kind of bad input gives one clear line and the right exit code."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdbg.cli.main import main
from rdbg.cli.qemu_options import OPTIONS
from tests.cli.command import PROJECT, TANK, assert_one_line, rdbg, rdbg_here


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run"], ["nothing to run", "-bios", "-kernel"]),
        (["run", "-kernel"], ["-kernel", "missing"]),
        (["run", "-kernal", "x"], ["-kernal", "did you mean -kernel?"]),
        (["run", "stray"], ["'stray'", "-kernel"]),
        (["run", "-M", "maltta", "-kernel", TANK], ["maltta", "did you mean malta?"]),
        (["run", "-M", "bare"], ["-M bare", "file=BOARD.toml"]),
        (["run", "-cpu", "P5600", "-kernel", TANK], ["P5600", "24Kf"]),
        (["run", "-m", "lots", "-kernel", TANK], ["-m lots", "256M"]),
        (["run", "-m", "0", "-kernel", TANK], ["-m 0"]),
        (["run", "-icount", "speed=3", "-kernel", TANK], ["-icount", "speed", "shift"]),
        (["run", "-icount", "shift=11", "-kernel", TANK], ["shift", "11", "0 to 10"]),
        (["run", "-icount", "shift=fast", "-kernel", TANK], ["shift", "fast"]),
        (["run", "-icount", "shift=1,shift=2", "-kernel", TANK], ["shift", "twice"]),
        (["run", "-icount", "rr=record", "-kernel", TANK], ["rrfile"]),
        (["run", "-icount", "rr=rewind,rrfile=f", "-kernel", TANK], ["rewind", "replay"]),
        (["run", "-icount", "rrfile=f", "-kernel", TANK], ["rr=record"]),
        (["run", "-serial", "vc:80x24", "-kernel", TANK], ["vc", "tcp:HOST:PORT,server"]),
        (["run", "-serial", "unix:,server", "-kernel", TANK], ["names no file", "unix:PATH"]),
        (["run", "-cpu", "4Km", "-kernel", TANK], ["4Km", "fixed mapping", "24Kf"]),
        (["run", "-serial", "chardev:c0", "-kernel", TANK], ["chardev:c0", "no -chardev"]),
        (
            ["run", "-chardev", "null,id=c0", *("-serial", "chardev:c0") * 2, "-kernel", TANK],
            ["-serial chardev:c0", "another one has that back end", "of its own"],
        ),
        (["run", "-chardev", "stdio", "-kernel", TANK], ["-chardev stdio", "id=ID"]),
        (["run", "-chardev", "vc,id=p", "-kernel", TANK], ["-chardev vc", "socket"]),
        (["run", "-chardev", "socket,id=s", "-kernel", TANK], ["names no port", "path=P"]),
        (["run", "-chardev", "null,id=a", "-chardev", "null,id=a", "-kernel", TANK], ["second", "id=a"]),
        (["run", "-device", "e100", "-kernel", TANK], ["-device e100", "did you mean e1000?"]),
        (["run", "-enable-kvm", "-kernel", TANK], ["-enable-kvm", "emulated"]),
        (["run", "-accel", "kvm", "-kernel", TANK], ["-accel kvm", "tcg"]),
        (["run", "-M", "malta,accel=kvm", "-kernel", TANK], ["-accel kvm", "tcg"]),
        (["run", "-M", "malta,usb=on", "-kernel", TANK], ["usb=on"]),
        (["run", "-smp", "cpus=1,cores=4", "-kernel", TANK], ["one CPU"]),
        (["run", "-smp", "many", "-kernel", TANK], ["-smp", "many"]),
        (["run", "-rtc", "clock=sundial", "-kernel", TANK], ["clock=sundial", "host, rt, vm"]),
        (["run", "-d", "in_asm", "-kernel", TANK], ["in_asm", "rsp"]),
        (["run", "-serial", "stdoi", "-kernel", TANK], ["stdoi", "did you mean stdio?"]),
        (["run", "-serial", "tcp:localhost", "-kernel", TANK], ["localhost", "HOST:PORT"]),
        (["run", "-serial", "stdio", "-serial", "stdio", "-kernel", TANK], ["two serial ports"]),
        (["run", "-gdb", "unix:x", "-kernel", TANK], ["-gdb unix:x", "tcp"]),
        (["run", "-gdb", "tcp::99999", "-kernel", TANK], ["99999"]),
        (["run", "-EB", "-kernel", TANK], ["tank.elf", "little", "big", "-EB"]),
        (["run", "-kernel", TANK, "-kernel", TANK], ["second kernel"]),
        (["run", "-drive", "file=x,format=vmdk", "-kernel", TANK], ["'vmdk'", "raw, qcow2", "qemu-img convert"]),
        (["run", "-drive", "file=x,if=scsi", "-kernel", TANK], ["if=scsi", "ide, virtio"]),
        (["run", "-drive", "format=raw", "-kernel", TANK], ["-drive format=raw", "file=F"]),
        (["run", "-drive", "fil=x", "-kernel", TANK], ["'fil'", "did you mean file?"]),
        (["run", "-hda", "x", "-drive", "file=y,index=0", "-kernel", TANK], ["index 0", "-hda x", "another"]),
        (["run", "-hda", "x", "-drive", "file=y,bus=0,unit=0", "-kernel", TANK], ["index 0", "-hda x", "another"]),
        (["run", "-drive", "file=x,index=0,bus=1", "-kernel", TANK], ["index=", "bus=", "keep one"]),
        (["run", "-drive", "file=x,index=9", "-kernel", TANK], ["index", "0 to 3"]),
        (["run", "-drive", "file=x,id=a", "-drive", "file=y,id=a", "-kernel", TANK], ["second", "id=a"]),
        (["run", "-drive", "file=x,readonly=on", "-kernel", TANK], ["IDE disk", "snapshot=on"]),
        (["run", "-drive", "file=x,media=tape", "-kernel", TANK], ["media=tape", "disk nor cdrom"]),
        (["run", "-drive", "file=x,cache=fast", "-kernel", TANK], ["'fast'", "writeback"]),
        (["run", "-drive", "file=x,snapshot=maybe", "-kernel", TANK], ["snapshot", "'maybe'"]),
        (["run", "-drive", "driver=blkreplay,if=none,id=a", "-kernel", TANK], ["no image", "image=ID"]),
        (["run", "-drive", "driver=blkreplay,if=none,id=a,image=b", "-kernel", TANK], ["no drive or node 'b'"]),
        (["run", "-blockdev", "driver=file,filename=x", "-kernel", TANK], ["node-name"]),
        (["run", "-blockdev", "{driver: file}", "-kernel", TANK], ["not JSON"]),
        (["run", "-blockdev", '{"driver": "nbd", "node-name": "a"}', "-kernel", TANK], ["'nbd'", "raw, qcow2"]),
        (["run", "-serial", "tcp:..:9", "-kernel", TANK], ["..:9", "no host"]),
        (["run", "-gdb", "tcp:..:9", "-kernel", TANK], ["..:9", "no host"]),
        (["run", "-nic", "socket,connect=..:9", "-kernel", TANK], ["..:9", "no host"]),
        (["run", "-nic", "user,guestfwd=tcp:10.0.2.9:80-tcp:..:9", "-kernel", TANK], ["..:9", "no host"]),
        (["run", "-smp", "2", "-kernel", TANK], ["one CPU"]),
        (["run", "-bios", TANK, "-append", "quiet"], ["-append goes with -kernel"]),
        (["run", "-d", "everything", "-kernel", TANK], ["everything", "rsp"]),
        (["run", "--checkpoint-memory", "1K", "-kernel", TANK], ["1K"]),
        (["record", "-kernel", TANK], ["-o FILE"]),
        (["replay"], ["one file"]),
        (["replay", "a", "b"], ["one file"]),
        (["replay", "-m", "256", "a"], ["-m", "recording"]),
        (["dump"], ["one file"]),
        (["recrod"], ["recrod", "did you mean record?"]),
        (["-kernel", "x"], ["rdbg run"]),
    ],
)
def test_wrong_usage(words: list[str | Path], parts: list[str]) -> None:
    assert_one_line(rdbg_here(*words), 2, *parts)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recording") / "tank"
    assert rdbg("record", "-o", path, "-kernel", TANK, "-serial", "null").returncode == 0
    return path


option_names = st.sampled_from([name for option in OPTIONS for name in option.names] + ["o", "-", "", "x"])
option_values = st.one_of(
    st.sampled_from(
        "help none stdio null on off malta bare,file=x 256 -1 0x10 1G 1e9 shift=auto,align=on,,x= rr=record,rrfile=f "
        "tcp::1 tcp:[::1]:99999 file: chardev: stdio,id=a,mux=on socket,id=b,port=1,host=:: base=9999-99-99 "
        "base=0001-01-01 if=pflash,file=,, cpus=1,cores= = , ,, == =,=".split()
    ),
    st.text(max_size=12),
)


@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(
    words=st.lists(
        st.one_of(option_names.map("-{}".format), option_names.map("--{}".format), option_values), max_size=6
    )
)
def test_any_words_are_understood_or_refused_in_a_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no image of any of these names, so nothing runs."""
    monkeypatch.chdir(tmp_path)
    code = main(["run", *words])
    out, said = capsys.readouterr()
    if code:
        assert not out and said.endswith("\n") and all(line.startswith("rdbg: ") for line in said.splitlines()), said
        assert len(said.splitlines()) == 1 or "goes on without" in said
    else:
        assert out.endswith("\n") and not said


def test_usage_in_a_process_of_its_own() -> None:
    assert_one_line(rdbg("run", "-kernal", "x"), 2, "-kernal", "did you mean -kernel?")
    assert_one_line(rdbg("run", "-kernel", "none"), 1, "none", "No such file")


class TestFiles:
    def test_missing(self, tmp_path: Path) -> None:
        for option in ("-kernel", "-bios", "-pflash"):
            assert_one_line(rdbg_here("run", option, tmp_path / "none"), 1, "none", "No such file")

    def test_directory(self, tmp_path: Path) -> None:
        assert_one_line(rdbg_here("run", "-kernel", tmp_path), 1, str(tmp_path), "directory")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        assert_one_line(rdbg_here("run", "-bios", tmp_path / "empty"), 1, "empty")

    def test_raw_image_that_is_no_code(self, tmp_path: Path) -> None:
        (tmp_path / "text").write_bytes(b"The quick brown fox jumps over the lazy dog. " * 2000)
        assert_one_line(rdbg_here("run", "-bios", tmp_path / "text"), 2, "text", "-EL", "-EB")

    def test_elf_of_another_machine(self, tmp_path: Path) -> None:
        data = bytearray(TANK.read_bytes())
        data[18:20] = (62).to_bytes(2, "little")  # EM_X86_64
        (tmp_path / "x86.elf").write_bytes(data)
        assert_one_line(rdbg_here("run", "-kernel", tmp_path / "x86.elf"), 1, "x86.elf", "x86-64", "MIPS")

    @pytest.mark.parametrize("length", [5, 18, 40, 60, 1000])
    def test_elf_cut_short(self, tmp_path: Path, length: int) -> None:
        (tmp_path / "short.elf").write_bytes(TANK.read_bytes()[:length])
        assert_one_line(rdbg_here("run", "-kernel", tmp_path / "short.elf"), 1, "short.elf")

    def test_serial_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        assert_one_line(rdbg_here("run", "-kernel", TANK, "-serial", f"file:{tmp_path}"), 1, str(tmp_path))

    def test_board_that_is_missing(self, tmp_path: Path) -> None:
        assert_one_line(rdbg_here("run", "-M", f"bare,file={tmp_path / 'no.toml'}", "-kernel", TANK), 1, "no.toml")


class TestRecordings:
    def test_missing(self, tmp_path: Path) -> None:
        for words in (["replay"], ["dump"], ["info"], ["debug"]):
            assert_one_line(rdbg(*words, tmp_path / "none"), 1, "none")
        missing = f"rr=replay,rrfile={tmp_path / 'none'}"
        assert_one_line(rdbg("run", "-icount", missing, "-kernel", TANK), 1, "none")

    def test_foreign_file(self) -> None:
        for words in (["replay"], ["dump"], ["info"]):
            assert_one_line(rdbg(*words, TANK), 1, "tank.elf")

    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        assert_one_line(rdbg("replay", tmp_path / "empty"), 1, "empty")

    def test_another_image(self, recording: Path, tmp_path: Path) -> None:
        other = tmp_path / "other.elf"
        other.write_bytes(TANK.read_bytes() + b"\0")
        done = rdbg("run", "-icount", f"rr=replay,rrfile={recording}", "-kernel", other, "-serial", "null")
        assert_one_line(done, 1, "other.elf", "kernel", "recorded")

    @pytest.mark.parametrize(
        ("said", "recorded"),
        [
            (["-m", "256"], "-m 128M"),
            (["-M", "bare,file=examples/bare.toml"], "-M malta"),
            (["-append", "quiet"], "-append ''"),
            (["-rtc", "base=2001-02-03T04:05:06"], "-rtc base=20"),
            (["-EB"], "-EL"),
        ],
    )
    def test_replay_of_another_machine(self, recording: Path, said: list[str], recorded: str) -> None:
        done = rdbg("run", *said, "-icount", f"rr=replay,rrfile={recording}", "-serial", "null")
        assert_one_line(done, 1, said[0], str(recording), recorded)

    def test_replay_at_another_speed(self, recording: Path) -> None:
        icount = f"shift=5,rr=replay,rrfile={recording}"
        for words in (["run", "-icount", icount], ["debug", recording, "-icount", "5"]):
            assert_one_line(rdbg(*words, "-serial", "null"), 1, "-icount shift=5", "-icount shift=3")

    def test_replay_that_says_the_same_again(self, recording: Path) -> None:
        for shift in ("", "shift=3,", "shift=auto,"):
            icount = f"{shift}rr=replay,rrfile={recording}"
            done = rdbg("run", "-M", "malta", "-m", "128", "-icount", icount, "-kernel", TANK, "-serial", "null")
            assert done.returncode == 0, done.stderr

    def test_unknown_snapshot(self, recording: Path) -> None:
        done = rdbg("run", "-icount", f"rr=replay,rrfile={recording},rrsnapshot=nowhere", "-serial", "null")
        assert_one_line(done, 1, "Could not load snapshot for icount replay", "nowhere")

    def test_names_that_are_no_text(self, recording: Path, tmp_path: Path) -> None:
        """A word of the command line may hold any bytes."""
        name = os.fsdecode(b"caf\xe9")
        done = rdbg("run", "-icount", f"rr=replay,rrfile={recording},rrsnapshot={name}", "-serial", "null")
        assert_one_line(done, 1, "Could not load snapshot for icount replay")
        done = rdbg("record", "-o", tmp_path / name, "-append", name, "-kernel", TANK, "-serial", "null")
        assert done.returncode == 0, done.stderr
        for command in ("replay", "info", "dump"):
            done = rdbg(command, tmp_path / name, *(["-serial", "null"] if command == "replay" else []))
            assert done.returncode == 0, done.stderr
        assert_one_line(rdbg("record", "-o", tmp_path / "x", "--snapshot", name, "-kernel", TANK), 1, "snapshot's name")

    def test_store_gone(self, recording: Path, tmp_path: Path) -> None:
        shutil.copy(recording, tmp_path / "alone")
        assert_one_line(rdbg("replay", tmp_path / "alone"), 1, "alone.snapshots")

    def test_cannot_record_there(self, tmp_path: Path) -> None:
        assert_one_line(rdbg("record", "-o", tmp_path / "no" / "such", "-kernel", TANK), 1, "such")

    def test_does_not_overwrite_what_is_no_recording(self, tmp_path: Path) -> None:
        precious = tmp_path / "thesis.txt"
        precious.write_text("years of work")
        done = rdbg("record", "-o", precious, "-kernel", TANK, "-serial", "null")
        assert done.returncode in (1, 2)
        assert precious.read_text() == "years of work"

    def test_failed_start_keeps_the_earlier_recording(self, recording: Path) -> None:
        before = recording.read_bytes()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            place = f"tcp:127.0.0.1:{taken.getsockname()[1]}"
            done = rdbg("record", "-o", recording, "-kernel", TANK, "-serial", "null", "-gdb", place)
        assert done.returncode == 1
        assert recording.read_bytes() == before
        assert not list(recording.parent.glob("*.new*"))


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = rdbg("run", "-kernel", TANK, "-serial", "null", "-gdb", f"tcp:127.0.0.1:{port}")
        assert_one_line(done, 1, str(port), "in use")
        done = rdbg("run", "-kernel", TANK, "-serial", f"tcp:127.0.0.1:{port},server,nowait")
        assert_one_line(done, 1, str(port), "in use")


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert_one_line(rdbg("run", "-kernel", TANK, "-serial", f"tcp:127.0.0.1:{port}"), 1, str(port), "refused")


def test_project_has_the_example() -> None:
    assert (PROJECT / "examples" / "tank.gdb").is_file()


def test_more_words_than_a_recording_keeps(tmp_path: Path) -> None:
    words = ["-kernel", TANK, "-serial", "null", *["-nodefaults"] * 70_000]
    assert_one_line(rdbg("record", "-o", tmp_path / "rec", *words), 1, "command line", "70008 words", "65536")
    assert not list(tmp_path.iterdir())


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    recording = tmp_path / "run"
    assert rdbg("record", "-o", recording, "-M", "malta", "-kernel", TANK, "-serial", "stdio").returncode == 0
    files = {path: path.read_bytes() for path in (recording, recording.with_name("run.snapshots"))}
    for target in (*files, "/dev/null"):
        for words in (["dump", recording, "--pcap", target], ["symbols", recording, "-o", target]):
            assert_one_line(rdbg(*words), 1, str(target), "will not overwrite")
    assert all(path.read_bytes() == content for path, content in files.items())
    capture = tmp_path / "capture"
    for _ in range(2):  # a capture gives way to another
        assert rdbg("dump", recording, "--pcap", capture).returncode == 0
    assert capture.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert not list(tmp_path.glob("capture.*"))


#: One that needs nobody at its other end.
NIC = "socket,id=n,udp=127.0.0.1:9,localaddr=127.0.0.1:0"


@pytest.mark.parametrize("words", [["-D", "{}"], ["-object", "filter-dump,id=d,netdev=n,file={}"]])
def test_a_fifo_that_nobody_reads_is_not_waited_for(words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "f"
    os.mkfifo(path)
    asked = [word.format(path) for word in words]
    done = rdbg("run", "-kernel", TANK, "-serial", "null", "-nic", NIC, *asked)
    said = f"{path}: cannot write it: nobody reads it; start its reader before\n"
    assert (done.returncode, done.stderr.splitlines(True)[-1].endswith(said.encode())) == (1, True), done.stderr
