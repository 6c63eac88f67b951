"""Emacs with its own debugger's buffers (``M-x gdb``) at a replay: its arrow follows there, back, and jumps.

Nightly, as Emacs and what it is compiled with take 150 MB.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import rdbg
from tests.processes import served

pytestmark = pytest.mark.real("emacs-nox")

PROJECT = Path(__file__).parents[2]
TANK = PROJECT / "examples" / "guest" / "tank.elf"
_PATIENCE = 60

#: Each line is typed into GDB's buffer when what the one before has to bring is there; the arrow is where Emacs last
#: showed a frame.
_SCRIPT = """
(require 'gdb-mi)
(defun rdbg-wait (holds what)
  (let ((deadline (+ (float-time) 20)))
    (while (not (funcall holds))
      (when (> (float-time) deadline)
        (princ (with-current-buffer gud-comint-buffer (buffer-string)))
        (error "never came: %s" what))
      (accept-process-output nil 0.02))))
(defun rdbg-said (words)
  (with-current-buffer gud-comint-buffer
    (save-excursion (goto-char (point-max)) (re-search-backward words nil t))))
(defun rdbg-type (line)
  (with-current-buffer gud-comint-buffer
    (goto-char (point-max)) (insert line) (comint-send-input)))
(gdb "{gdb} -i=mi -nx {elf}")
(rdbg-wait (lambda () (rdbg-said "^(gdb) ")) "the prompt")
;; Emacs asks for GDB's non-stop mode, hears that the target has none, and takes it back.
(rdbg-wait (lambda () (not gdb-non-stop)) "the end of non-stop mode")
(dolist (line '("set confirm off" "set pagination off" "source {script}" "target remote 127.0.0.1:{port}"))
  (rdbg-type line))
(rdbg-wait (lambda () (rdbg-said "0xbfc00000 in")) "the start")
(rdbg-type "break alarm")
(rdbg-wait (lambda () (rdbg-said "Breakpoint 1 at")) "the breakpoint")
(dolist (line '("continue" "reverse-finish" "rdbg goto 10%" "monitor back"))
  (let ((old gud-last-last-frame))
    (rdbg-type line)
    (rdbg-wait (lambda () (not (equal gud-last-last-frame old))) line)
    (princ (format "arrow %s:%d\\n" (file-name-nondirectory (car gud-last-last-frame)) (cdr gud-last-last-frame)))))
(set-process-query-on-exit-flag (get-buffer-process gud-comint-buffer) nil)
(kill-emacs)
"""


def test_the_arrow_follows_there_and_back_and_jumps(gdb_program: str, tmp_path: Path) -> None:
    recording, commands = tmp_path / "tank.rec", tmp_path / "do.el"
    assert rdbg("record", "-o", recording, "--", "-kernel", TANK, "-serial", "null").returncode == 0
    script = PROJECT / "rdbg" / "gdb" / "rdbg_gdb.py"
    with served(["replay", str(recording), "-S", "-serial", "null"]) as port:
        commands.write_text(_SCRIPT.format(gdb=gdb_program, elf=TANK, script=script, port=port))
        done = subprocess.run(
            ["emacs", "--batch", "-Q", "-l", str(commands)],
            cwd=tmp_path, timeout=_PATIENCE, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.partition(":") for line in done.stdout.splitlines() if line.startswith("arrow ")]
    assert [name for name, _, _ in lines] == ["arrow tank.c"] * 4, done.stdout
    source = TANK.with_name("tank.c").read_text().splitlines()
    shown = [source[int(number) - 1].strip() for _, _, number in lines]
    assert shown == ["{", "alarm(level, tank.limit);", "if (level > tank.limit) {", "alarm(level, tank.limit);"]
