"""rdbg: a reverse debugger backend for GDB, for whole MIPS machines."""

__version__ = "0.1.0"
