"""`python -m rdbg`: the command line."""

import sys

from rdbg.cli import main

sys.exit(main())
