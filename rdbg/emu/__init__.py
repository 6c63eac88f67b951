"""The emulated machine: CPU core, bus, devices, boards, image loaders. Knows nothing of journals or GDB."""

import unicorn as _unicorn  # noqa: F401  (loads the library that the compiled core is linked against)
