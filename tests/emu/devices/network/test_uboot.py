"""U-Boot with malta's pcnet and a scripted peer, recorded and replayed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rdbg.emu.endpoint import Endpoint, EndpointKind, serial_port
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec, Plugged
from rdbg.history.history import History
from rdbg.history.live_queue import LiveQueue
from rdbg.recording.recording import NewRecording, OpenRecording
from rdbg.timeline import StopConditions, Timeline
from tests.emu.devices.network.twins import MAC
from tests.linux.peer import TftpServer, answer, lease

pytestmark = pytest.mark.real("u-boot-qemu")

FIRMWARE = Path("/usr/lib/u-boot/maltael/u-boot.bin")
PEER = bytes((10, 0, 2, 2))
CONTENT = bytes(range(200)) + b"the end"
COMMANDS = (
    "setenv autoload no; dhcp",
    "ping 10.0.2.2",
    "tftpboot 81000000 file",
    "md.b 810000c8 7",
)


def test_it_gets_an_address_pings_and_loads_a_file(tmp_path: Path) -> None:
    images = (Image("bios", str(FIRMWARE), FIRMWARE.read_bytes()),)
    plugged = (Plugged("pcnet", slot=0x0B, nic=0, mac=MAC),)
    spec = MachineSpec("malta", "24Kf", False, 256 << 20, 4, images, plugged=plugged)
    path = str(tmp_path / "run.rr")
    recording = NewRecording(path, spec)
    recording.publish()
    machine = Machine(spec)
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(machine, History.recording(recording.writer, queue), sleep=False)
    server = TftpServer(CONTENT)
    text = bytearray()
    left = list(COMMANDS)

    def sink(icount: int, endpoint: Endpoint, data: bytes) -> None:
        if endpoint == serial_port(0):
            text.extend(data)
            if text.endswith(b" # ") and left:
                queue.send(serial_port(0), left.pop(0).encode() + b"\r")
        elif endpoint.kind is EndpointKind.NETWORK:
            reply = lease(data, PEER, bytes((10, 0, 2, 15))) or answer(data, PEER) or server.answer(data, PEER)
            if reply is not None:
                queue.send_packet(0, reply)

    timeline.output.lead_to(sink)
    began = time.monotonic()
    timeline.run(StopConditions(), lambda: b"the en" in text or time.monotonic() > began + 60)
    seen = text.decode("latin-1")
    assert "DHCP client bound to address 10.0.2.15" in seen, seen
    assert "host 10.0.2.2 is alive" in seen, seen
    assert f"Bytes transferred = {len(CONTENT)} " in seen, seen
    assert "the en" in seen, seen
    digest = machine.digest()
    timeline.close()
    recording.store.close()
    opened = OpenRecording(path)
    again = Machine(opened.spec())
    Timeline(again, History.replay(opened.reader)).goto(machine.icount)
    assert again.digest() == digest
    opened.close()
