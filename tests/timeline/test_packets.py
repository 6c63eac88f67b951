"""Packets of a network: they enter where they are recorded, and what the guest sends leaves once and is compared."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest

from rdbg.emu import boards
from rdbg.emu.endpoint import Endpoint, EndpointKind
from rdbg.emu.inputs import InputEvent, InputKind
from rdbg.emu.machine import Machine
from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.history.history import History
from rdbg.history.live_queue import MOST_PACKETS, LiveQueue
from rdbg.navigation.pace import Pace
from rdbg.navigation.stops import StopConditions, StopReason
from rdbg.recording.recording import NewRecording, OpenRecording
from rdbg.session.first_passage import PassedPacket
from rdbg.session.options import silent_replay
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
from rdbg.timeline import Timeline
from tests.emu.echo_card import BUFFERS, PORT, EchoCard, with_echo_card
from tests.timeline.test_digest_property import Lived, busy_spec, forward, visit

LENGTH = 300_000
PACE = Pace(slice=2_000, spacing=10_000, digest_instructions=20_000)


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(boards.BOARDS, "malta", with_echo_card)


class Sink:
    """What leaves by the network."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []

    def __call__(self, icount: int, endpoint: Endpoint, data: bytes) -> None:
        if endpoint.kind is EndpointKind.NETWORK:
            self.packets.append((icount, data))


def record(path: Path, seed: int) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """Record a run into which packets come at random; gives what left, and what entered."""
    dice = random.Random(seed)
    recording = NewRecording(str(path), busy_spec())
    machine = Machine(busy_spec())
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(
        machine, History.recording(recording.writer, queue), store=recording.store, pace=PACE, sleep=False
    )
    recording.publish()
    timeline.store.use(recording.store)
    sink, sent = Sink(), []
    timeline.output.lead_to(sink)

    def enough() -> bool:
        if dice.random() < 0.6:
            for _ in range(dice.randrange(1, 6)):  # more than the card has room for
                sent.append(dice.randbytes(dice.choice((14, 60, 1514))))
                assert queue.send_packet(0, sent[-1])
        if dice.random() < 0.05:
            queue.put(InputEvent(0, InputKind.LINK, PORT.port, dice.randrange(2)))
        return timeline.position >= LENGTH

    timeline.run(StopConditions(), enough)
    timeline.close()
    recording.store.close()
    entered = timeline.history.known.entered_packets
    return sink.packets, sent[:entered]


def waiting_spec() -> MachineSpec:
    """A guest that waits for ever, with interrupts allowed that do not come."""
    code = (0x34080801, 0x40886000, 0x42000020, 0x1000FFFE, 0x00000000)  # ori t0; mtc0 t0, Status; wait; b; nop
    image = Image("bios", "waits", b"".join(word.to_bytes(4, "little") for word in code))
    return MachineSpec("malta", "24Kf", False, 16 << 20, 5, (image,))


def reopen(path: Path) -> tuple[Timeline, Sink]:
    opened = OpenRecording(str(path))
    timeline = Timeline(Machine(opened.spec()), History.replay(opened.reader), store=opened.store, pace=PACE)
    sink = Sink()
    timeline.output.lead_to(sink)
    return timeline, sink


def test_the_state_does_not_depend_on_the_way_where_packets_enter(tmp_path: Path) -> None:
    left, entered = record(tmp_path / "rec", 1)
    assert len(left) > 50 and len(entered) > 100
    timeline, sink = reopen(tmp_path / "rec")
    dice = random.Random(2)
    end = timeline.end
    packets = [timeline.history.known.packet(number) for number in dice.sample(range(1, len(entered) + 1), 15)]
    places = {event.icount + off for event in packets if event is not None for off in (0, 1)}
    wanted = sorted({0, end, *places, *(dice.randrange(end) for _ in range(60))})
    truth = forward(busy_spec(), copy.copy(timeline.history), [place for place in wanted if place <= end])
    visit(Lived(busy_spec(), timeline, bytearray(), truth), dice, 70)
    timeline.goto(0)
    assert timeline.run(StopConditions(), lambda: False).reason is StopReason.HISTORY_END
    assert timeline.agreement.compared > 0 and timeline.output.sent.sent(PORT).outputs == len(left)
    assert not sink.packets  # a replay sends nothing


def test_packets_enter_in_order_and_have_numbers(tmp_path: Path) -> None:
    _, entered = record(tmp_path / "rec", 3)
    timeline, _ = reopen(tmp_path / "rec")
    history = timeline.history
    for number, data in enumerate(entered, start=1):
        event = history.known.packet(number)
        assert event is not None and event.kind is InputKind.PACKET and event.data == data
    assert history.known.packet(len(entered) + 1) is history.known.packet(0) is None
    fifth = history.known.packet(5)
    assert fifth is not None
    timeline.goto(fifth.icount)
    assert history.known.entered_packets >= 5
    assert timeline.machine.read_memory(0x8000_0000 + BUFFERS + 5 * 2048, len(fifth.data)) == fifth.data
    timeline.goto(fifth.icount - 1)
    assert history.known.entered_packets < 5


def test_packets_that_a_timer_makes_room_for_enter_a_waiting_cpu_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay let them in before the timer that has made room for them."""
    monkeypatch.setattr("rdbg.emu.core_host._MOST_IDLE_EVENTS", 100)
    machine = Machine(waiting_spec())
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(machine, History.live_run(queue), pace=PACE, sleep=False)
    sink = Sink()
    timeline.output.lead_to(sink)
    rounds = 0

    def enough() -> bool:
        nonlocal rounds
        if rounds in (0, 30, 60):
            for number in range(11):
                queue.send_packet(0, bytes([rounds, number]) * 30)
        rounds += 1
        return rounds > 100

    enough()  # the first ones come to a CPU that runs, and fill the card
    timeline.run(StopConditions(), enough)
    timeline.close()
    assert len(sink.packets) == 33
    replay = Machine(waiting_spec())
    history = copy.copy(timeline.history)
    history.seek(-1)
    again = Timeline(replay, history, pace=PACE)
    again.goto(history.end)
    assert replay.digest() == machine.digest() and replay.now_ns == machine.now_ns
    assert again.output.sent == timeline.output.sent


def test_packets_leave_a_live_run_once_and_no_branch_of_it() -> None:
    machine = Machine(busy_spec())
    queue = LiveQueue(machine.input_room)
    timeline = Timeline(machine, History.live_run(queue), pace=PACE, sleep=False)
    sink = Sink()
    timeline.output.lead_to(sink)
    for number in range(1, 11):
        queue.send_packet(0, bytes([number]) * 60)
        timeline.run(StopConditions(), lambda goal=number * 20_000: timeline.position >= goal)  # type: ignore[misc]
    left = list(sink.packets)
    assert [data[0] for _, data in left] == list(range(1, 11))
    timeline.goto(50_000)
    timeline.run(StopConditions(), lambda: timeline.position >= 150_000)
    assert sink.packets == left
    timeline.goto(100_000)
    timeline.branch("other")
    queue.send_packet(0, b"branch" * 10)
    timeline.run(StopConditions(), lambda: timeline.position >= 150_000)
    assert timeline.output.sent.sent(PORT).outputs > 5 and sink.packets == left
    timeline.switch("main")
    timeline.goto(timeline.end)
    queue.send_packet(0, b"main" * 15)
    timeline.run(StopConditions(), lambda: timeline.position >= 250_000)
    assert [data[:60][::-1] for _, data in sink.packets[len(left) :]] == [b"main" * 15]


def test_a_replay_that_sends_another_packet_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(tmp_path / "rec", 4)
    echo = EchoCard._echo

    def other(card: EchoCard) -> None:
        if card.count > 40:
            card.packets = [packet[:-1] + b"!" for packet in card.packets]
        echo(card)

    monkeypatch.setattr(EchoCard, "_echo", other)
    timeline, _ = reopen(tmp_path / "rec")
    with pytest.raises(RdbgError, match=r"between icount \d+ and icount \d+: network 0 has not sent what was recorded"):
        timeline.run(StopConditions(), lambda: False)
    assert timeline.agreement.diverged


def test_what_comes_while_very_many_packets_wait_is_dropped() -> None:
    queue = LiveQueue(lambda endpoint: 1)
    taken = [queue.send_packet(0, b"%d" % number) for number in range(MOST_PACKETS + 5)]
    assert taken == [True] * MOST_PACKETS + [False] * 5 and queue.waiting(PORT) == MOST_PACKETS
    assert queue.send_packet(1, b"another card")
    first = queue.take()
    assert [(event.kind, event.port, event.data) for event in first] == [
        (InputKind.PACKET, 0, b"0"),
        (InputKind.PACKET, 1, b"another card"),
    ]
    assert queue.send_packet(0, b"there is room again")


def test_a_packet_for_a_card_that_is_not_there_is_lost() -> None:
    machine = Machine(busy_spec())
    before, seen = machine.digest(), list[object]()
    machine.system.watch_packets(lambda *packet: seen.append(packet))
    machine.entrance.enter(InputEvent(0, InputKind.PACKET, 1 << 40, 0, bytes(60)))
    assert machine.system.packet_number == 1  # it has a number all the same
    assert not seen, "a capture has no interface for it"
    machine.system.packet_number = 0
    assert machine.digest() == before and machine.input_room(Endpoint(EndpointKind.NETWORK, 7)) == 0


def test_who_watches_packets_is_told_of_each_once_though_the_run_goes_back(tmp_path: Path) -> None:
    left, entered = record(tmp_path / "run", 5)
    session = Session(silent_replay(tmp_path / "run"), Surroundings())
    try:
        passed: list[PassedPacket] = []
        session.watch_packets(passed.append)
        timeline = session.timeline
        for end in (LENGTH // 2, LENGTH // 3, LENGTH):
            timeline.goto(end // 2)
            timeline.goto(end)
        timeline.goto(timeline.start)
        session.run()
    finally:
        session.close()
    incoming = [packet for packet in passed if packet.incoming]
    outgoing = [packet for packet in passed if not packet.incoming]
    assert [packet.frame for packet in incoming] == entered and len(entered) > 20
    assert [packet.number for packet in incoming] == list(range(1, len(entered) + 1))
    assert [(packet.icount, packet.frame) for packet in outgoing] == left
    assert [packet.icount for packet in passed] == sorted(packet.icount for packet in passed)
