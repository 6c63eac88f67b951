"""``rdbg profile`` and ``rdbg coverage`` on the example guest."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import pytest

from rdbg.elf.elf_file import ElfFile
from tests.cli.command import TANK, assert_one_line, rdbg


@pytest.fixture(scope="module")
def tank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording."""
    file = tmp_path_factory.mktemp("profile") / "tank.rec"
    assert rdbg("record", "-o", file, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    return file


@pytest.fixture(scope="module")
def length(tank: Path) -> int:
    """Its instructions."""
    found = re.search(rb"length +([\d,]+) instructions", rdbg("info", tank).stdout)
    assert found is not None
    return int(found[1].replace(b",", b""))


def _written(command: str, tank: Path, output: Path, *words: str) -> bytes:
    done = rdbg(command, tank, "-o", output, *words)
    assert done.returncode == 0 and done.stderr == b"", done.stderr
    return output.read_bytes()


def _folded(data: bytes) -> dict[str, int]:
    rows = (line.rpartition(" ") for line in data.decode().splitlines())
    return {stack: int(count) for stack, _, count in rows}


def test_folded_stacks_add_up_to_the_run(tank: Path, length: int, tmp_path: Path) -> None:
    stacks = _folded(_written("profile", tank, tmp_path / "out.folded", "--flat"))
    assert sum(stacks.values()) == length
    assert any(stack.startswith("guest;main;tank.c:") for stack in stacks)
    assert any(stack.startswith("guest;_start;start.S:") for stack in stacks)
    with_jobs = _folded(_written("profile", tank, tmp_path / "jobs.folded", "--flat", "--jobs", "2"))
    assert with_jobs == stacks


def test_folded_call_paths_add_up_to_the_functions_instructions(tank: Path, length: int, tmp_path: Path) -> None:
    flat = _folded(_written("profile", tank, tmp_path / "flat.folded", "--flat"))
    paths = _folded(_written("profile", tank, tmp_path / "out.folded", "--jobs", "1"))
    assert sum(paths.values()) == length
    by_function: Counter[str] = Counter()
    of_paths: Counter[str] = Counter()
    for stack, count in flat.items():
        by_function[stack.split(";")[1]] += count
    for stack, count in paths.items():
        of_paths[stack.split(";")[-1]] += count
    assert of_paths == by_function
    assert any(stack.endswith(";_start;main;put_text;put_char") for stack in paths)
    assert any(";main;[interrupt];" in stack for stack in paths)
    in_pieces = _folded(_written("profile", tank, tmp_path / "jobs.folded", "--jobs", "2"))
    assert in_pieces == paths


@pytest.mark.real("valgrind")
def test_callgrind_annotate_reads_calls_and_their_whole_costs(tank: Path, length: int, tmp_path: Path) -> None:
    output = tmp_path / "out.callgrind"
    text = _written("profile", tank, output).decode()
    words = ["callgrind_annotate", "--threshold=100", "--auto=no", "--inclusive=yes", str(output)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert f"{length:,} (100.0%)  PROGRAM TOTALS" in done.stdout
    rows = re.findall(r"^ *([\d,]+) \([ \d.]+%\) +\S+?:(.+)$", done.stdout, re.MULTILINE)
    whole = {name.split(" ")[0]: int(count.replace(",", "")) for count, name in rows}
    paths = _folded(_written("profile", tank, tmp_path / "out.folded"))
    assert whole["main"] == sum(count for stack, count in paths.items() if "main" in stack.split(";"))
    calls = sum(int(count) for count in re.findall(r"^cfn=put_char\ncalls=(\d+) ", text, re.MULTILINE))
    assert calls == int(rdbg("query", tank, "calls", "put_char", "--count").stdout)


def test_a_stretch_adds_up_to_its_length_wherever_it_begins_and_ends(tank: Path, tmp_path: Path) -> None:
    for start, end in ((1000, 1001), (12_345, 54_321), (0, 7), (500, 500)):
        words = "--from", str(start), "--to", str(end)
        assert sum(_folded(_written("profile", tank, tmp_path / "out.folded", *words)).values()) == end - start


def test_speedscope_has_frames_samples_and_weights(tank: Path, length: int, tmp_path: Path) -> None:
    document = json.loads(_written("profile", tank, tmp_path / "out.speedscope.json"))
    assert document["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    frames = document["shared"]["frames"]
    (profile,) = document["profiles"]
    assert profile["type"] == "sampled" and profile["unit"] == "none"
    assert profile["startValue"] == 0 and profile["endValue"] == sum(profile["weights"]) == length
    assert len(profile["samples"]) == len(profile["weights"])
    assert all(0 <= frame < len(frames) for sample in profile["samples"] for frame in sample)
    assert all(frame["name"] for frame in frames) and {"main", "put_char"} <= {frame["name"] for frame in frames}


@pytest.mark.real("valgrind")
def test_callgrind_annotate_reads_the_profile(tank: Path, length: int, tmp_path: Path) -> None:
    output = tmp_path / "out.callgrind"
    _written("profile", tank, output)
    words = ["callgrind_annotate", "--threshold=100", "--auto=no", str(output)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert f"{length:,} (100.0%)  PROGRAM TOTALS" in done.stdout
    assert re.search(r"\) +tank\.c:main", done.stdout) and re.search(r"\) +board\.c:put_char", done.stdout)


def test_the_picture_is_an_svg_that_names_functions(tank: Path, length: int, tmp_path: Path) -> None:
    root = ElementTree.fromstring(_written("profile", tank, tmp_path / "out.svg"))
    titles = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == f"guest: {length:,} instructions, 100.00 %"
    assert any(title.startswith("main: ") for title in titles)


def test_lcov_has_lines_that_ran_and_lines_that_did_not(tank: Path, tmp_path: Path) -> None:
    text = _written("coverage", tank, tmp_path / "out.lcov").decode()
    board = next(part for part in text.split("end_of_record\n") if "SF:board.c\n" in part)
    calls = rdbg("query", tank, "calls", "put_char", "--count").stdout.decode().strip()
    assert f"FNDA:{calls},put_char\n" in board
    assert re.search(r"^FNDA:0,", board, re.MULTILINE)
    rows = [tuple(map(int, row)) for row in re.findall(r"^DA:(\d+),(\d+)$", board, re.MULTILINE)]
    assert f"LF:{len(rows)}\n" in board and f"LH:{sum(count > 0 for _, count in rows)}\n" in board
    assert 0 < sum(count > 0 for _, count in rows) < len(rows)


def test_drcov_has_the_blocks_of_the_image_and_those_elsewhere(tank: Path, tmp_path: Path) -> None:
    data = _written("coverage", tank, tmp_path / "out.drcov")
    head, _, table = data.partition(b" bbs\n")
    lines = head.decode().splitlines()
    assert lines[:2] == ["DRCOV VERSION: 2", "DRCOV FLAVOR: drcov"] and lines[2] == "Module Table: version 2, count 2"
    count = int(lines[-1].removeprefix("BB Table: "))
    assert len(table) == 8 * count
    base = min(segment.vaddr for segment in ElfFile(TANK.read_bytes()).segments if segment.loaded)
    assert lines[4].split(", ")[1] == f"{base:#x}" and lines[4].endswith("tank.elf")
    blocks = [struct.unpack_from("<IHH", table, at) for at in range(0, len(table), 8)]
    starts = {start + base for start, _, module in blocks if module == 0}
    found = rdbg("query", tank, "executions", "put_char", "--limit", "1", "--json").stdout
    assert json.loads(found)["pc"] in starts
    assert {module for _, _, module in blocks} == {0, 1} and all(size % 4 == 0 < size for _, size, _ in blocks)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ((), ("names no file to write to", ".folded")),
        (("-o", "x.txt"), ("x.txt", ".callgrind")),
        (("-o", "x.folded", "--from", "nowhere"), ("no snapshot or bookmark 'nowhere'",)),
        (("-o", "x.folded", "--from", "20", "--to", "10"), ("--to is icount 10, before --from, icount 20",)),
        (("-o", "x.folded", "--jobs", "none"), ("--jobs",)),
    ],
)
def test_what_is_not_meant_is_one_line(
    tank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(rdbg("profile", tank, *words), 2, *parts)


def test_no_recording_is_written_over(tank: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.folded"
    other.write_bytes(tank.read_bytes())
    assert_one_line(rdbg("profile", tank, "-o", other), 1, "will not overwrite")
    assert other.read_bytes() == tank.read_bytes()
