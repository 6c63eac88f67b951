"""The GDB remote stub behind `rdbg.gdbstub`: one client's connection, its breakpoints, one file of packets per subject."""
