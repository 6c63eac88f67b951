"""The emulated machine: CPU core, bus, devices, boards, image loaders. Knows nothing of journals or GDB."""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path


def _load_unicorn() -> None:
    """Load the library that the compiled core is linked against; the dynamic linker knows it by its soname then. The
    wheel's Python module would do so, too, and takes longer to import than all of the boards.

    Raises:
        ImportError: it is not there.
    """
    spec = find_spec("unicorn")
    if spec is None or spec.origin is None:
        raise ImportError("no package unicorn is installed", name="unicorn")
    library = Path(spec.origin).with_name("lib") / "libunicorn.so.2"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        raise ImportError(str(error), name="unicorn", path=str(library)) from error


_load_unicorn()
