"""Neovim with its own window of a debugger (termdebug) at a replay: its sign follows there, back, and jumps."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.processes import served

pytestmark = pytest.mark.real("neovim")

PROJECT = Path(__file__).parents[2]
TANK = PROJECT / "examples" / "guest" / "tank.elf"
_PATIENCE = 60

#: Each command is sent when the sign of the one before has come; else what GDB has said is the answer.
_SCRIPT = """
set nocompatible
let g:termdebugger = '{gdb}'
source {neovim}
let g:signs = []
function! Sign(command)
  let old = get(g:signs, -1, '')
  call TermDebugSendCommand(a:command)
  if !wait(20000, {{-> At() !=# '' && At() !=# old}}, 20)
    call add(g:signs, At())
  else
    call writefile(g:signs + ['no sign after ' . a:command] + getbufline(g:gdb_buffer, 1, '$'), '{said}')
    cquit
  endif
endfunction
function! At()
  for info in getbufinfo()
    for placed in sign_getplaced(info.bufnr, {{'group': '*'}})[0].signs
      if placed.name ==# 'debugPC' | return fnamemodify(info.name, ':t') . ':' . placed.lnum | endif
    endfor
  endfor
  return ''
endfunction
Termdebug {elf}
let g:gdb_buffer = bufnr('%')
for setting in ['set confirm off', 'set pagination off', 'directory {sources}', 'source {script}']
  call TermDebugSendCommand(setting)
endfor
call TermDebugSendCommand('target remote 127.0.0.1:{port}')
call TermDebugSendCommand('break alarm')
for command in ['continue', 'reverse-finish', 'rdbg goto 10%', 'monitor back']
  call Sign(command)
endfor
call writefile(g:signs, '{said}')
qall!
"""


def test_termdebug_follows_there_and_back_and_jumps(gdb_program: str, tmp_path: Path) -> None:
    recording, said = tmp_path / "tank.rec", tmp_path / "said"
    assert rdbg("record", "-o", recording, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port:
        commands = tmp_path / "do.vim"
        commands.write_text(
            _SCRIPT.format(
                gdb=gdb_program, elf=TANK, sources=TANK.parent, port=port, said=said,
                neovim=PROJECT / "editors" / "neovim" / "termdebug.vim",
                script=PROJECT / "rdbg" / "gdb" / "rdbg_gdb.py",
            )
        )  # fmt: skip
        subprocess.run(
            ["nvim", "--headless", "-u", "NONE", "-i", "NONE", "-S", str(commands)],
            cwd=tmp_path, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
    lines = said.read_text().splitlines()
    assert len(lines) == 4, "\n".join(lines)
    shown = []
    for line in lines:
        name, _, number = line.partition(":")
        shown.append((TANK.parent / name).read_text().splitlines()[int(number) - 1].strip())
    assert shown == ["{", "alarm(level, tank.limit);", "if (level > tank.limit) {", "alarm(level, tank.limit);"]
