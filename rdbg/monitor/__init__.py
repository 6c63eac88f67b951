"""What users type to rdbg itself: the commands, and where they are typed without GDB."""
