"""rdbg: a reverse debugger backend for GDB, for whole MIPS machines."""

import os

__version__ = "0.1.0"

# numpy only holds arrays here; the threads that its linear algebra starts when it is loaded cost 50 ms of CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
