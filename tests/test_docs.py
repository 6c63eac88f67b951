"""What the documentation names is there."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def test_every_test_that_the_documents_name_exists() -> None:
    named = {
        match
        for document in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
        for match in re.findall(r"\b(tests/[\w/.]+\.py)(?:::(\w+))?", document.read_text())
    }
    assert len(named) > 50
    missing = [
        f"{file}::{name}"
        for file, name in sorted(named)
        if not (PROJECT / file).is_file() or (name and f"\ndef {name}(" not in (PROJECT / file).read_text())
    ]
    assert missing == []


def test_every_source_file_that_the_documents_name_exists() -> None:
    here = [
        str(path) for folder in ("rdbg", "tests", "examples", "benchmarks") for path in PROJECT.glob(f"{folder}/**/*.*")
    ]
    named = {
        (document.name, match)
        for document in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
        for match in re.findall(r"`([\w/.]+\.(?:pyx?|pxi))`", document.read_text())
        if "NAME" not in match and "BOARD" not in match
    }
    assert len(named) > 80
    assert [each for each in sorted(named) if not any(path.endswith(f"/{each[1]}") for path in here)] == []


def test_the_document_lists_the_rooms_in_their_order() -> None:
    from tests.test_rooms import ORDER

    document = _document("architecture.md")
    table = document[document.index("| room |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(reversed(ORDER))


def _document(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def test_the_document_names_every_kind_of_record() -> None:
    from rdbg.emu.inputs import InputKind
    from rdbg.journal.records import DIGEST_KINDS, INPUT_KINDS, KIND_END

    document = _document("recording.md")
    table = document[document.index("| kind |") :].split("\n\n")[0]
    named = {int(kind) for kind in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    assert named == {*INPUT_KINDS, *DIGEST_KINDS, KIND_END}
    assert set(map(int, InputKind)) <= named


def test_the_document_tells_the_versions_of_the_files() -> None:
    from rdbg.journal import file_header
    from rdbg.store import database

    document = _document("recording.md")
    assert f"| version, {file_header.VERSION} |" in document
    assert f"`user_version` {database.VERSION}." in document


def test_the_document_names_every_monitor_command() -> None:
    from rdbg.monitor.info_commands import INFO_TOPICS
    from rdbg.monitor.interpreter import commands

    document = _document("gdb.md")
    table = document[document.index("## monitor") : document.index("## Commands inside GDB")]
    said = {words.removeprefix("monitor ") for words in re.findall(r"`([^`]+)`", table)}
    named = {words.split()[0] for words in said} | {words for words in said if words.startswith("info ")}
    assert {*commands(), *(f"info {topic}" for topic in INFO_TOPICS)} - named == set()


def test_the_document_tells_where_the_windows_are() -> None:
    source = (PROJECT / "rdbg" / "emu" / "cpu_constants.pxd").read_text()
    windows = [int(value, 16) for value in re.findall(r"(?:IO|WATCH)_WINDOW = (0x\w+)U", source)]
    document = _document("cpu.md")
    assert len(windows) == 2
    for window in windows:
        assert f"from `{window:#010X}`".replace("0X", "0x") in document


def test_every_trace_has_something_to_say() -> None:
    from rdbg.cli.qemu_surroundings import TRACES

    named = re.findall(r"^\* `-d` traces (.*) \(also .*\) and `(\w+)`;", _document("machine.md"), re.MULTILINE)
    assert {name for part in named[0] for name in re.findall(r"\w+", part)} == set(TRACES)
    loggers = {
        name
        for file in (PROJECT / "rdbg").rglob("*.py")
        for name in re.findall(r'getLogger\("rdbg\.(\w+)"\)', file.read_text())
    }
    assert set(TRACES) <= loggers


def test_what_is_said_of_a_run_names_what_there_is() -> None:
    import rdbg.emu.machine_api as api
    from rdbg.emu import runs

    said = Path(runs.__file__).read_text()
    named = set(re.findall(r"``(?:[A-Z]\w+\.)?([a-z]\w+)(?:=\w+)?``", said))
    there = {name for kind in (api.RunRequest, api.RunStop) for name in kind.__annotations__} | set(dir(api.MachineApi))
    assert {"until", "exact", "slice"} <= named
    assert named - there == set()


def test_the_document_names_every_packet() -> None:
    from rdbg.stub.features import FEATURES

    document = (PROJECT / "docs" / "gdb.md").read_text()
    text = document[document.index("## Packets") : document.index("## GDB's commands")]
    said = set(re.findall(r"[\w?!]+", text))
    names = {name.decode() for feature in FEATURES for name in (*feature.packets, *feature.words)}
    words = {re.split(r"[:;,]", name)[0].rstrip("?") or name for name in names}
    assert {word for word in words if word not in said and f"{word}0" not in said} == set()
