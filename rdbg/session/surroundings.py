"""What a session has around it that no option says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from rdbg.host.outlet import Outlet
from rdbg.host.progress import Progress
from rdbg.navigation.helpers import Helpers
from rdbg.quick_dataclass import dataclass
from rdbg.session.onlooker import Onlooker, RunOnView, WorkingCopies
from rdbg.timeline import Timeline

if TYPE_CHECKING:
    from rdbg.analysis.question import PiecePool


class RunHelpers(Helpers, Protocol):
    """Who helps with long searches of a run, and with questions to all of it."""

    def pool(self, interrupted: Callable[[], bool], progress: Progress) -> PiecePool:
        """Who answers a question; a `MakePool`."""
        ...

    def copies(self, size: int, work: Callable[..., Any]) -> WorkingCopies:
        """So many copies of this process, which do this work; a `MakeCopies`."""
        ...

    def idle_looks(self) -> Looks:
        """Who looks at the past while the run stands still."""
        ...


class Looks(Protocol):
    """Looks at the past of a run while nobody asks anything; see `IdleLooks`."""

    def stand(self) -> None:
        """Nobody asks anything now."""
        ...

    def wake(self) -> None:
        """Somebody asks something, or the run goes on."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a session has around it that no option says.

    Args:
        command_line: the words typed, for the journal.
        terminal: whether the terminal is the guest's; else GDB has it, and shows what the guest prints.
        ended: asked often; True ends the session.
        log: the way of the log; a guest whose log nobody reads waits.
        helpers: given the run and what a copy of this process has to open anew, makes helpers of long searches and
            questions; None: there are none.
        symbols: an ELF file with the guest's symbols; None: its own image, if that is one.
        signals: whether SIGINT, SIGTERM and SIGHUP end the run; False: they are somebody else's.
        onlooker: made when all is set up: who looks at the run beside GDB; None: nobody.
    """

    command_line: tuple[str, ...] = ()
    terminal: bool = True
    ended: Callable[[], bool] | None = None
    log: Outlet | None = None
    symbols: bytes | None = None
    signals: bool = True
    helpers: Callable[[Timeline, Callable[[], None]], RunHelpers] | None = None
    onlooker: Callable[[RunOnView], Onlooker] | None = None
