"""The GDB remote stub behind `rdbg.gdbstub`: one client's connection, its breakpoints, its packets by subject."""
