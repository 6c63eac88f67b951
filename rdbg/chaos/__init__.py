"""Runs of one guest with its interrupts and inputs at other moments each time, to find what depends on these."""
