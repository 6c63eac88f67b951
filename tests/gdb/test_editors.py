"""What VS Code's two debug extensions say to GDB, in their order, with the settings of editors/vscode/launch.json.

The sequences are those of Native Debug's MI driver (WebFreak001/code-debug, src/backend/mi2/mi2.ts: initCommands,
connect, and one method for each button) and of the C/C++ extension's (microsoft/MIEngine, DebuggedProcess.cs:
GetInitializeCommands).
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.gdb.driver import Answer, Gdb, Guest

PROJECT = Path(__file__).parents[2]
ELF = Path(__file__).parent / "guest" / "counter-el.elf"
START = 0xBFC00000


def configuration(kind: str) -> dict[str, Any]:
    """One of launch.json, with its variables replaced."""
    text = re.sub(r"^\s*//.*$", "", (PROJECT / "editors/vscode/launch.json").read_text(), flags=re.MULTILINE)
    text = text.replace("${workspaceFolder}/build/firmware.elf", str(ELF)).replace("${workspaceFolder}", str(PROJECT))
    text = text.replace("/path/to/rdbg/", f"{PROJECT / 'rdbg'}/")
    found: dict[str, Any] = next(each for each in json.loads(text)["configurations"] if each["type"] == kind)
    return found


def press(gdb: Gdb, command: str) -> Answer:
    """A button: the command makes the guest move, and stop."""
    gdb.send(command)
    return gdb.wait()


def where(gdb: Gdb) -> tuple[str, int]:
    """Function and value of the innermost frame."""
    return gdb.run("info symbol $pc").text.split()[0], gdb.value("value")


@pytest.mark.timeout(60)
def test_native_debug(gdb_program: str) -> None:
    settings = configuration("gdb")
    assert settings["request"] == "attach" and settings["remote"] and settings["stopAtConnect"]
    elf = Path(settings["executable"])
    script = settings["debugger_args"]
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, elf, script) as gdb:
        gdb.run("-gdb-set target-async on")
        for command in (
            "-list-features",
            f'-environment-directory "{settings["cwd"]}"',
            "-enable-frame-filters",
            f"-target-select remote {settings['target'].replace('1234', str(guest.port))}",
            *settings.get("autorun", ()),
        ):
            assert not gdb.run(command).errors, command
        assert not gdb.run("-break-insert -f note").errors
        press(gdb, "-exec-continue --reverse")
        assert where(gdb) == ("note", 93)
        press(gdb, "-exec-continue --reverse")
        assert where(gdb) == ("note", 83)
        press(gdb, "-exec-step --reverse")
        assert gdb.run("info symbol $pc").text.startswith("work")
        press(gdb, "-exec-next --reverse")
        press(gdb, "-exec-step")
        press(gdb, "-exec-continue")
        assert gdb.run("info symbol $pc").text.startswith("note")
        press(gdb, "-exec-finish --reverse")
        assert gdb.run("info symbol $pc").text.startswith("work")
        for command in (
            "-stack-list-frames",
            "-thread-info",
            "-stack-list-variables --thread 1 --frame 0 --simple-values",
            "-data-list-register-names",
            "-data-list-register-values --skip-unavailable N ",
            "-data-read-memory-bytes 0x80100020 16",
        ):
            assert not gdb.run(command).errors, command
        gdb.run("-break-delete")
        press(gdb, "-exec-continue --reverse")
        assert gdb.value("$pc") == START
        jump = gdb.run('-interpreter-exec console "rdbg goto end"')
        assert len(jump.stops) == 1 and gdb.value("$pc") != START
        assert not gdb.run("-target-detach").errors


@pytest.mark.timeout(60)
def test_the_c_extension(gdb_program: str) -> None:
    """It has no buttons for going back: its console passes on what begins with -exec."""
    settings = configuration("cppdbg")
    assert settings["MIMode"] == "gdb" and settings["stopAtConnect"]
    script = shlex.split(settings["miDebuggerArgs"])
    with Guest("kernel", str(ELF), "--run", "6000", "--finish") as guest, Gdb(gdb_program, None, script) as gdb:
        gdb.run("-gdb-set mi-async on")
        for command in (
            "-list-features",
            *(each["text"] for each in settings["setupCommands"]),
            '-interpreter-exec console "set pagination off"',
            "-gdb-set auto-solib-add on",
            f"-environment-cd {settings['cwd']}",
            f"-file-exec-and-symbols {settings['program']}",
            '-interpreter-exec console "show architecture"',
            f"-target-select remote {settings['miDebuggerServerAddress'].replace('1234', str(guest.port))}",
            *(each["text"] for each in settings.get("postRemoteConnectCommands", ())),
            "-thread-info",
            "-stack-list-frames 0 1000",
        ):
            assert not gdb.run(command).errors, command
        assert not gdb.run("-break-insert -f note").errors
        press(gdb, '-interpreter-exec console "reverse-continue"')
        assert where(gdb) == ("note", 93)
        press(gdb, '-interpreter-exec console "reverse-stepi"')
        assert gdb.run("info symbol $pc").text.startswith("work")
        press(gdb, "-exec-continue")
        assert where(gdb) == ("note", 93)
        press(gdb, "-exec-step-instruction")
        press(gdb, '-interpreter-exec console "reverse-next"')
        assert "icount" in gdb.run('-interpreter-exec console "monitor when"')
        jump = gdb.run('-interpreter-exec console "monitor goto start"')
        assert len(jump.stops) == 1 and gdb.value("$pc") == START
        assert not gdb.run("-target-detach").errors
