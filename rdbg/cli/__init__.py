"""The command line: commands, QEMU's options, and starting a debugger."""
