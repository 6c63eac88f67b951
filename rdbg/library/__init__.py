"""rdbg for Python programs: `rdbg.open` gives a recorded run to ask."""
