"""QEMU's machine protocol: a run that programs drive, in JSON."""
