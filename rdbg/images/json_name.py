"""Images that QEMU names by JSON: ``json:{"driver":"qcow2","file":{"driver":"file","filename":"F"}}``."""

from __future__ import annotations

from rdbg.errors import RdbgError
from rdbg.host.json_keys import flattened_json
from rdbg.images.formats import FORMATS

PREFIX = "json:"


def json_keys(text: str) -> dict[str, str]:
    """JSON's objects as QEMU's dotted keys.

    Raises:
        ValueError: it is not JSON, says something twice, or something in it is no object, text, number or switch.
    """
    from rdbg.host.json_text import read_json  # for the few that write it so

    return flattened_json(read_json(text))


def named_file(name: str) -> tuple[str, str | None]:
    """The file that such a name means, and its format if it says that.

    Raises:
        RdbgError: it means no file of this host, or says more than can be obeyed.
    """
    try:
        said = json_keys(name.removeprefix(PREFIX))
    except ValueError as error:
        raise RdbgError(f"{name[:80]!r} is not JSON: {error}") from None
    driver = said.pop("driver", None)
    inner = said.pop("file.driver", "file")
    file = said.pop("file.filename", said.pop("filename", ""))
    if said:
        raise RdbgError(f"{name[:80]!r} says {', '.join(said)}, which is not known here")
    if not file or inner not in ("file", "host_device") or driver not in (None, "file", "host_device", *FORMATS):
        raise RdbgError(f"{name[:80]!r} is no {' or '.join(FORMATS)} file of this host")
    return file, driver if driver in FORMATS else None
