"""The remote serial protocol of GDB: its framing, its fields, its texts. Knows no machine that runs."""
