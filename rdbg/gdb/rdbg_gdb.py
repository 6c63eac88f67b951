"""GDB commands of rdbg, for a GDB with Python: ``rdbg when``, ``goto``, ``lastwrite``, ``symbols``. See docs/gdb.md.

`rdbg debug` loads this file; or: (gdb) source .../rdbg/gdb/rdbg_gdb.py. It loads rdbg.gdb, which lies beside it.
Runs inside GDB: nothing of the rdbg package may be imported here.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import signal
import socket
import threading

import gdb


def _execute(command: str, to_string: bool = False) -> str:
    """Let GDB obey a command; gives what it prints, if wanted. Errors are shown as GDB's own."""
    try:
        return str(gdb.execute(command, to_string=to_string))
    except gdb.error as error:
        raise gdb.GdbError(str(error)) from None


def _monitor(line: str) -> str:
    """What a monitor command prints."""
    said = _execute(f"monitor {line}", to_string=True)
    # Under an IDE some GDBs give the records of the machine interface instead of the text.
    rows = said.splitlines(keepends=True)
    return "".join(str(ast.literal_eval(row[1:].strip())) if row.startswith('@"') else row for row in rows)


def _asked(question: str) -> str:
    """What a monitor command answers that the user has not typed. What rdbg has to say beside it waits for one that
    they see."""
    return _monitor(f"script {question}")


def _waited_for(question: str) -> str:
    """The same where the answer may take long: what rdbg says meanwhile is shown, and a Ctrl-C leaves what was found
    until then."""
    try:
        _execute(f"monitor script keep {question}")
    except KeyboardInterrupt:
        _rdbg_jumps.prompts()  # makes rdbg give it up
    return _asked("kept")


class _Jumps:
    """Shows where the guest stands when a monitor command has moved it (``goto``, ``loadvm``, ``back``, ``switch``)."""

    def __init__(self) -> None:
        self._here: str | None = None
        self._level = 0
        self._obeyed = True  # the latest monitor command has come to its end
        self._unconfirmed = False  # GDB asks questions while it is under way only

    def before(self) -> None:
        """To be called before a monitor command."""
        self._obeyed = False
        if not gdb.parameter("confirm"):  # or a second Ctrl-C would end the connection without a question
            gdb.execute("set confirm on", to_string=True)
            self._unconfirmed = True
        self._level = _selected_level()
        self._here = self._position()

    def after(self) -> None:
        """To be called after it. GDB forgets what it knew: silently, for it warns of shared libraries each time where
        the program wants some. Then it is made to stop where the guest stands now: that shows the place and the
        displays, and tells front ends, whose windows would go on showing the old frame. A command that has not moved
        it leaves the frame that the user looks at."""
        gdb.execute("rdbg-forget", to_string=True)
        self._obeyed = True
        self._confirm_no_more()
        now = self._position()
        if self._here is not None and now is not None and now != self._here:
            gdb.execute("stepi 0")
        elif now is not None and self._level:
            gdb.execute(f"frame level {self._level}", to_string=True)

    def prompts(self) -> None:
        """To be called before each prompt. A command that Ctrl-C has ended may have been left with its answer to come,
        which GDB would take for that of its next request. Of registers it takes nothing that cannot be their values;
        and rdbg gives the command up when it is asked for something else."""
        if not self._obeyed:
            self._obeyed = True
            self._confirm_no_more()
            with contextlib.suppress(gdb.error):
                gdb.execute("maintenance flush register-cache", to_string=True)
                gdb.execute("info registers pc", to_string=True)

    def _confirm_no_more(self) -> None:
        if self._unconfirmed:
            self._unconfirmed = False
            gdb.execute("set confirm off", to_string=True)

    def _position(self) -> str | None:
        try:
            return _asked("when")
        except gdb.GdbError:
            return None  # not connected, or no longer


def _selected_level() -> int:
    """How many calls out the frame is that the user looks at."""
    try:
        return int(gdb.selected_frame().level())
    except gdb.error:
        return 0  # not connected, or running


class _Rdbg(gdb.Command):  # type: ignore[misc]
    """Move in the recorded past, and ask about it. 'help rdbg' lists the commands."""

    def __init__(self) -> None:
        super().__init__("rdbg", gdb.COMMAND_RUNNING, gdb.COMPLETE_NONE, True)


class _When(gdb.Command):  # type: ignore[misc]
    """Show the position: instruction count, virtual time, pc."""

    def __init__(self) -> None:
        super().__init__("rdbg when", gdb.COMMAND_STATUS)

    def invoke(self, argument: str, from_tty: bool) -> None:
        gdb.write(_monitor("when"))


class _Goto(gdb.Command):  # type: ignore[misc]
    """Go to a moment: rdbg goto start|end|ICOUNT|+N|-N|N%|SNAPSHOT|BOOKMARK, and show where that is."""

    def __init__(self) -> None:
        super().__init__("rdbg goto", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        _execute(f"monitor goto {argument}")

    def complete(self, text: str, word: str | None) -> list[str]:
        return [name for name in _places() if name.startswith(word or "")]


def _places() -> list[str]:
    """All places with a name; those with blanks in quotes, as ``monitor goto`` wants them."""
    try:
        snapshots, bookmarks = _asked("info snapshots"), _asked("info bookmarks")
    except gdb.GdbError:
        return ["start", "end"]  # not connected, or running
    names = re.findall(r"^\d+ +(\S.*?) +\S+ (?:[KMG]i)?B +\d+:", snapshots, re.MULTILINE)
    names += re.findall(r"^ *\d+  (.+)$", bookmarks, re.MULTILINE)
    return ["start", "end", *(f'"{name}"' if " " in name else name for name in names)]


class _Origin(gdb.Command):  # type: ignore[misc]
    """Where a value came from: rdbg origin EXPRESSION, of a $register, a variable or anything that has an address."""

    def __init__(self) -> None:
        super().__init__("rdbg origin", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if not argument:
            raise gdb.GdbError("usage: rdbg origin EXPRESSION")
        try:
            value = gdb.parse_and_eval(argument)
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None
        if re.fullmatch(r"\$[A-Za-z0-9_]+", argument.strip()):
            gdb.write(_with_lines(_waited_for(f"origin {argument.strip()}")))
            return
        if value.address is None:
            raise gdb.GdbError(f"{argument} has no address; for one that you know: monitor origin ADDRESS LENGTH")
        gdb.write(_with_lines(_waited_for(f"origin {int(value.address):#x} {value.type.sizeof}")))


def _with_lines(said: str) -> str:
    """What rdbg said, with the function and the source line of each PC that GDB has symbols for, in place of the name
    that rdbg has for it."""

    def named(found: re.Match[str]) -> str:
        _, lines = gdb.decode_line(f"*{found[1]}")  # gives the address as GDB keeps it, with its sign extended
        if not lines or lines[0].symtab is None:
            return found[0]
        line = lines[0]
        block = gdb.block_for_pc(line.pc)
        while block is not None and block.function is None:
            block = block.superblock
        function = f" in {block.function}" if block is not None else ""
        return f"pc {found[1]}{function} at {line.symtab.filename}:{line.line}"

    return re.sub(r"pc (0x[0-9a-f]+)(?: [^\s:]+)?(?=:)", named, said)


class _LastWrite(gdb.Command):  # type: ignore[misc]
    """Which instruction wrote this last: rdbg lastwrite EXPRESSION, of a variable or anything that has an address."""

    def __init__(self) -> None:
        super().__init__("rdbg lastwrite", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if not argument:
            raise gdb.GdbError("usage: rdbg lastwrite EXPRESSION")
        try:
            value = gdb.parse_and_eval(argument)
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None
        if value.address is None:
            raise gdb.GdbError(f"{argument} has no address; for one that you know: monitor lastwrite ADDRESS LENGTH")
        address = int(value.address)
        said = _waited_for(f"lastwrite {address:#x} {value.type.sizeof}")
        gdb.write(said)
        found = re.search(r"pc (0x[0-9a-f]+)", said)
        if found is not None:
            gdb.execute(f"info line *{found[1]}")


class _Symbols(gdb.Command):  # type: ignore[misc]
    """Give GDB the symbols of an image that has moved itself, where it runs now: rdbg symbols [FILE]. FILE is GDB's own
    unless said. The image's symbols where it is linked stay: firmware runs there before it moves."""

    def __init__(self) -> None:
        super().__init__("rdbg symbols", gdb.COMMAND_FILES, gdb.COMPLETE_FILENAME)
        self._added: int | None = None

    def invoke(self, argument: str, from_tty: bool) -> None:
        said = _monitor("symbols offset")
        found = re.search(r"add-symbol-file FILE -o (-?0x[0-9a-f]+)", said)
        if found is None and said.endswith(": offset 0\n"):
            gdb.write(said)  # GDB has its symbols already
            return
        if found is None:
            raise gdb.GdbError(said.strip())
        offset = int(found[1], 16)
        path = argument or gdb.current_progspace().filename
        if not path:
            raise gdb.GdbError("GDB has no file; name one: rdbg symbols FILE")
        if self._added != offset:
            quoted = path.replace("\\", "\\\\").replace('"', '\\"')
            _execute(f'add-symbol-file "{quoted}" -o {offset:#x}', to_string=True)
            self._added = offset
        gdb.write(f"{os.path.basename(path)}: symbols {abs(offset):#x} bytes {'lower' if offset < 0 else 'higher'}\n")


class _Prompt(gdb.Command):  # type: ignore[misc]
    """Show the instruction count in the prompt: rdbg prompt on|off."""

    def __init__(self) -> None:
        super().__init__("rdbg prompt", gdb.COMMAND_SUPPORT)

    def invoke(self, argument: str, from_tty: bool) -> None:
        if argument not in ("on", "off"):
            raise gdb.GdbError("usage: rdbg prompt on|off")
        gdb.prompt_hook = _prompt if argument == "on" else None

    def complete(self, text: str, word: str | None) -> list[str]:
        return [choice for choice in ("on", "off") if choice.startswith(word or "")]


def _prompt(current: str) -> str | None:
    try:
        found = re.search(r"icount (\d+)", _asked("when"))
    except gdb.GdbError:
        found = None  # not connected, or running
    return f"({found[1]}) " if found else None


#: What a page may have GDB do.
_PAGE_COMMANDS = re.compile(r"(goto [^\r\n]+|switch [\w-]+|back|forward)")


class _Page:
    """Obeys the page that rdbg serves beside GDB (`rdbg ui`, `rdbg debug --ui`): a click there moves GDB.

    GDB does it itself when it waits for commands, so that it never moves behind its own back.
    """

    def __init__(self) -> None:
        self._heard: tuple[socket.socket, threading.Thread] | None = None
        gdb.events.gdb_exiting.connect(lambda event: self.leave())

    def look(self) -> None:
        """To be called when GDB has connected: rdbg may serve a page. (To ask GDB which connection it has makes GDB 13
        abort when it ends.)"""
        self.leave()
        try:
            found = re.search(r"http://([0-9.]+):(\d+)(/\S+/)", _asked("ui"))
        except gdb.GdbError:
            return
        if found is None:
            return
        try:
            connection = socket.create_connection((found[1], int(found[2])))
            connection.sendall(f"GET {found[3]}api/gdb HTTP/1.0\r\nHost: {found[1]}:{found[2]}\r\n\r\n".encode())
        except OSError:
            return  # it is gone
        thread = threading.Thread(target=_hear_page, args=(connection,), daemon=True)
        # Signals are for GDB's own threads.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._heard = connection, thread

    def leave(self) -> None:
        """Hear the page no more: no thread is to be left when GDB ends."""
        if self._heard is None:
            return
        connection, thread = self._heard
        self._heard = None
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


def _hear_page(connection: socket.socket) -> None:
    """Pass on what the page wants, as long as it is there. Runs in a thread of its own."""
    with contextlib.suppress(OSError):
        for row in connection.makefile("rb"):
            line = row.decode("utf-8", "replace").strip()
            if line.startswith("data: ") and _PAGE_COMMANDS.fullmatch(line[6:]):
                gdb.post_event(_PageWish(line[6:]))


class _PageWish:
    """Something that GDB is to do for the page once it waits for commands."""

    def __init__(self, line: str) -> None:
        self._line = line

    def __call__(self) -> None:
        try:
            gdb.execute(f"monitor {self._line}")
        except gdb.error as error:
            gdb.write(f"rdbg's page wants 'monitor {self._line}': {error}\n")


for _command in (_Rdbg, _When, _Goto, _Origin, _LastWrite, _Symbols, _Prompt):
    _command()

_rdbg_jumps = _Jumps()
_rdbg_page = _Page()

for _name in ("rdbg.gdb", "rdbg_unwind.py"):
    gdb.execute("source " + os.path.join(os.path.dirname(os.path.abspath(__file__)), _name))
gdb.execute("""define hook-monitor
  python _rdbg_jumps.before()
end""")
gdb.execute("""define hookpost-monitor
  python _rdbg_jumps.after()
end""")
gdb.events.before_prompt.connect(_rdbg_jumps.prompts)
for _name in ("remote", "extended-remote"):
    gdb.execute(f"""define target hookpost-{_name}
  monitor script
  python _rdbg_page.look()
end""")
if gdb.selected_thread() is not None:
    _rdbg_page.look()
