"""Packs, crafted."""

from __future__ import annotations

import io
import random
import warnings
import zipfile
from pathlib import Path

from tests.fuzz.crafted import NUMBERS, Recording, flipped, journal
from tests.fuzz.crafted_store import store


def pack(dice: random.Random, whole: Recording, folder: Path) -> bytes:
    """A zip archive of crafted parts."""
    path = folder / "member"
    parts = {"journal": whole.journal, "snapshots": whole.store}
    if dice.random() < 0.4:
        parts["journal"] = journal(dice, whole)
    if dice.random() < 0.3:
        store(dice, whole, path)
        parts["snapshots"] = path.read_bytes()
    if dice.random() < 0.1:
        parts[dice.choice(("journal", "snapshots"))] = bytes(dice.choice((0, 1, 1 << 20, 100 << 20)))
    names = {name: name for name in parts}
    if dice.random() < 0.1:
        names["journal"] = dice.choice(("snapshots", "../journal", "/tmp/journal", "", "j" * 60_000, "journal/"))
    made = io.BytesIO()
    method = dice.choice((zipfile.ZIP_STORED, *[zipfile.ZIP_DEFLATED] * 4, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in parts.items():
            # LZMA takes long for a hundred megabytes.
            quick = (method, None) if len(data) < 2 << 20 else (zipfile.ZIP_DEFLATED, 1)
            archive.writestr(zipfile.ZipInfo(names[name]), data, *quick)
    data = made.getvalue()
    if dice.random() < 0.6:
        return data if dice.random() < 0.3 else _flip_near(dice, data)
    return flipped(dice, data)


def _flip_near(dice: random.Random, data: bytes) -> bytes:
    """Change a field of one of the archive's own headers."""
    signatures = (b"PK\1\2", b"PK\3\4", b"PK\5\6")
    at = data.find(dice.choice(signatures), dice.choice((0, 1)))
    if at < 0:
        return data
    changed = bytearray(data)
    size = dice.choice((1, 2, 4))
    place = at + 4 + dice.randrange(42)
    changed[place : place + size] = (dice.choice(NUMBERS) & ((1 << 8 * size) - 1)).to_bytes(size, "little")
    return bytes(changed)
