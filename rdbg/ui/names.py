"""Names and source lines of code, as the guest's image has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rdbg.analysis.code_lines import Source
from rdbg.quick_dataclass import dataclass
from rdbg.ui.run_view import RunView

_MOST_SOURCE = 2 << 20


@dataclass(frozen=True)
class Names:
    """What a guest's file says of its code.

    Args:
        source: its functions and lines.
        folder: where its source files may be; None: nowhere.
    """

    source: Source
    folder: Path | None

    def function_at(self, address: int) -> tuple[str, int] | None:
        """The function at a virtual address, and how far into it that is."""
        if not len(self.source.functions.names):
            return None
        here = address - self.source.moved
        owner = int(self.source.functions.owners_of(np.array([here], np.uint64))[0]) if here >= 0 else -1
        if owner < 0:
            return None
        return self.source.functions.names[owner], here - int(self.source.functions.addresses[owner])

    def line_at(self, address: int) -> tuple[str, int] | None:
        """The source file and line of an address."""
        here = address - self.source.moved
        piece = int(self.source.lines.pieces_of(np.array([here], np.uint64))[0]) if here >= 0 else -1
        if piece < 0:
            return None
        return self.source.lines.names[int(self.source.lines.files[piece])], int(self.source.lines.lines[piece])

    def text_around(self, file: str, line: int, beside: int) -> list[list[object]]:
        """Lines of a source file, each with its number. The file is looked for beside the image alone, whatever path
        the image names: that may have been made to name any file."""
        if self.folder is None:
            return []
        try:
            path = (self.folder / Path(file).name).resolve()
            if path.parent != self.folder.resolve() or not path.is_file() or path.stat().st_size > _MOST_SOURCE:
                return []
            lines = path.read_text("utf-8", "replace").splitlines()
        except (OSError, ValueError):
            return []
        first = max(1, line - beside)
        return [[number, lines[number - 1]] for number in range(first, min(line + beside, len(lines)) + 1)]


def names_of(view: RunView) -> Names:
    """Those of a run."""
    elf, moved = view.symbols.elf, view.symbols.moved()
    source = view.kept("source", moved, lambda: Source.of(elf, moved))
    return Names(source, view.sources)
