"""What debuggers call the parts of each architecture. Lower than the stub, which knows none of them by name."""
