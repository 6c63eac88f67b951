"""Random code, points and movements, against one instruction at a time: no stop is missed, and none is false."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rdbg.emu.machine import Machine
from rdbg.emu.machine_api import Access, Watch
from rdbg.history.history import History
from rdbg.timeline import Pace, StopConditions, Timeline
from tests.emu.guests import CODE, HANDLER, LOOP, NOP, SKIPPING_HANDLER, addiu, beq, i_type, lui, machine_with, r_type
from tests.emu.test_watch_blocks import BASE, COUNT, DATA, MOVING, pieces
from tests.stub.stop_oracle import Breakpoint, StopOracle
from tests.stub.wire import RawClient, serve

SYSCALL = 0x0000000C
TRAP = r_type(0x34, 0, 0, 0)  # teq $0, $0: always
EXCEPTION_HANDLER = range(HANDLER, HANDLER + 4 * len(SKIPPING_HANDLER))
TURNS = 4
WATCH_TYPES = {Access.WRITE: 2, Access.READ: 3, Access.ACCESS: 4}
WATCH_NAMES = {"watch", "rwatch", "awatch"}

blocks = st.lists(
    st.one_of(
        pieces,
        pieces,
        st.just([SYSCALL]),
        st.just([TRAP, addiu(9, 9, 1), TRAP]),  # which of the two has trapped must be looked at closely
    ),
    min_size=2,
    max_size=9,
).map(lambda lists: sum(lists, []))
watches = st.builds(
    Watch, st.integers(0, 70).map(lambda n: DATA + n), st.sampled_from([1, 2, 4, 8]), st.sampled_from([*WATCH_TYPES])
)


class Session:
    """A raw client of a guest, and what must happen to it."""

    def __init__(self, draw: st.DataObject) -> None:
        self.draw = draw.draw
        words = self.draw(blocks)
        big_endian, self.live = self.draw(st.booleans()), self.draw(st.booleans())
        start = [lui(BASE, DATA >> 16), addiu(COUNT, 0, TURNS), r_type(0x21, BASE, 0, MOVING)]
        turn = [*words, addiu(COUNT, COUNT, -1)]
        code = [*start, *turn, i_type(0x05, COUNT, 0, -len(turn) - 1), NOP, beq(0, 0, 1), NOP, LOOP, NOP]
        self.last = CODE + 4 * (len(code) - 2)
        self.addresses = st.integers(0, len(code) - 3).map(lambda n: CODE + 4 * n)
        self.oracle = StopOracle(self.machine(code, big_endian), self.last, EXCEPTION_HANDLER)
        self.slots = {moment.slot for moment in self.oracle.moments}
        pace = Pace(slice=self.draw(st.sampled_from([7, 40, 1000])), spacing=self.draw(st.sampled_from([50, 5000])))
        self.timeline = Timeline(self.machine(code, big_endian), History.live_run(), pace=pace)
        if not self.live:
            self.timeline.run(StopConditions(frozenset({self.last})), lambda: False)
            self.timeline.close()
            self.timeline.goto(self.draw(st.integers(0, self.timeline.end)))
        self.server = serve(self.timeline)
        self.client = RawClient(self.server)
        self.client.ask(b"qSupported:swbreak+;hwbreak+")
        self.stood: int | None = None  # before the movement before
        self.breakpoints: list[Breakpoint] = []
        self.watches: list[Watch] = []
        if self.live:  # or else the guest runs for ever
            self.put(Breakpoint(self.last))

    @staticmethod
    def machine(code: list[int], big_endian: bool) -> Machine:
        return machine_with(code, SKIPPING_HANDLER, big_endian)

    def close(self) -> None:
        self.client.close()
        self.server.close()

    # --- points ------------------------------------------------------------------------------
    def put(self, point: Breakpoint) -> None:
        condition = b""
        if point.equal is not None:
            code = f"26{point.register:04x}22030f22{point.equal:02x}1327"  # register & 3 == equal
            condition = b";X%x,%s" % (len(code) // 2, code.encode())
        assert self.client.ask(b"Z0,%x,4" % point.address + condition) == b"OK"
        self.breakpoints = [each for each in self.breakpoints if each.address != point.address] + [point]

    def take(self, point: Breakpoint) -> None:
        assert self.client.ask(b"z0,%x,4" % point.address) == b"OK"
        self.breakpoints.remove(point)

    def watch(self, watch: Watch) -> None:
        if watch not in self.watches:
            assert self.client.ask(b"Z%d,%x,%x" % (WATCH_TYPES[watch.access], watch.address, watch.length)) == b"OK"
            self.watches.append(watch)

    def unwatch(self, watch: Watch) -> None:
        assert self.client.ask(b"z%d,%x,%x" % (WATCH_TYPES[watch.access], watch.address, watch.length)) == b"OK"
        self.watches.remove(watch)

    def change_points(self) -> None:
        """As a debugger does between two resumes."""
        for _ in range(self.draw(st.integers(0, 3))):
            what = self.draw(st.sampled_from(["break", "condition", "watch", "take", "unwatch"]))
            if what == "watch":
                self.watch(self.draw(watches))
            elif what == "unwatch" and self.watches:
                self.unwatch(self.draw(st.sampled_from(self.watches)))
            elif what == "take" and self.breakpoints:
                point = self.draw(st.sampled_from(self.breakpoints))
                if point.address != self.last:
                    self.take(point)
            elif what == "break":
                self.put(Breakpoint(self.draw(self.addresses)))
            elif what == "condition":
                address = self.draw(self.addresses)
                if address not in self.slots:
                    self.put(Breakpoint(address, self.draw(st.integers(8, 13)), self.draw(st.integers(0, 3))))

    # --- movements ---------------------------------------------------------------------------
    def resume(self, packet: bytes) -> tuple[str, int]:
        """Why and where the guest stands after a movement."""
        here = self.timeline.position
        reply = self.client.ask(packet).decode()
        self.stood = here
        assert reply.startswith("T05"), reply
        names = {field.split(":")[0] for field in reply[3:].split(";")}
        why = "step"
        if names & WATCH_NAMES:
            why = "watch"
        elif "swbreak" in names or "hwbreak" in names:
            why = "break"
        elif "replaylog" in names:
            why = "end" if "replaylog:end" in reply else "begin"
        position = self.timeline.position
        if why == "step" and self.oracle.at(position).slot in {point.address for point in self.breakpoints}:
            why = "break"  # one on a slot is not claimed: the client has none at the branch
        return why, position

    def run(self, packet: bytes) -> None:
        """Forward."""
        origin = self.timeline.position
        if not self.live and origin == self.oracle.moments[-1].position:
            assert self.resume(packet) == ("end", origin)
        else:
            self.run_to(packet, self.oracle.forward(origin, self.breakpoints, self.watches))

    def run_to(self, packet: bytes, wanted: tuple[str, int]) -> None:
        """The stub may tell of a breakpoint whose condition is false, and then goes on."""
        here = self.timeline.position
        while (found := self.resume(packet)) != wanted:
            assert (
                found[0] == "break"
                and abs(wanted[1] - found[1]) < abs(wanted[1] - here)
                or (found[1] == wanted[1] != here)
            ), (found, wanted, here, self.breakpoints)
            told = [point for point in self.breakpoints if point.address == self.oracle.at(found[1]).pc]
            assert told and told[0].equal is not None, (found, wanted)
            here = found[1]

    def step(self, packet: bytes, low: int, high: int) -> None:
        """Steps until PC leaves a range."""
        here = self.timeline.position
        why, last = "step", self.oracle.moments[-1].position
        while True:
            if here == last:
                why = "break" if self.live else "end"
                break
            why = self.oracle.here(here, self.breakpoints, self.watches)
            if why:
                break
            here = self.oracle.after(here)
            if not low <= self.oracle.at(here).pc < high:
                why = "step"
                break
        found = self.resume(packet)
        assert found[1] == here and found[0] in (why, "break" if why == "step" else why), (
            found,
            why,
            here,
            self.breakpoints,
            self.watches,
        )

    def act(self) -> None:
        here = self.timeline.position
        way = self.draw(st.sampled_from(["c", "vCont;c", "s", "vCont;s", "vCont;r", "temporary", "bs", "bc", "bc"]))
        if way in ("c", "vCont;c"):
            self.run(way.encode())
        elif way in ("s", "vCont;s"):
            self.step(way.encode(), 0, 0)
        elif way == "vCont;r":
            low = self.oracle.at(here).pc - 4 * self.draw(st.integers(0, 4))
            high = low + 4 * self.draw(st.integers(1, 12))
            self.step(b"vCont;r%x,%x:1" % (low, high), low, high)
        elif way == "temporary":
            if here != self.oracle.moments[-1].position:
                point = Breakpoint(self.oracle.at(self.oracle.after(here)).pc)
                if point.address not in {each.address for each in self.breakpoints}:
                    self.put(point)
                    self.run(b"vCont;c:1")
                    self.take(point)
        elif way == "bs":
            why, where = "begin", here
            if here > self.oracle.moments[0].position:
                before = self.oracle.step_back(here, self.stood)
                made = any(each.is_watched(self.watches) for each in self.oracle.at(self.oracle.before(here)).made)
                why, where = ("watch", here) if made else ("step", before)
            found = self.resume(b"bs")
            assert found[1] == where and found[0] in (why, "break" if why == "step" else why), (
                found,
                why,
                where,
                self.breakpoints,
                self.watches,
            )
        else:
            self.run_to(b"bc", self.oracle.backward(here, self.breakpoints, self.watches))


@settings(
    max_examples=60, phases=(Phase.explicit, Phase.generate), deadline=None, suppress_health_check=list(HealthCheck)
)
@given(st.data())
def test_every_way_of_resuming_stops_where_it_must(draw: st.DataObject) -> None:
    session = Session(draw)
    try:
        for _ in range(draw.draw(st.integers(5, 25))):
            session.change_points()
            session.act()
    finally:
        session.close()
