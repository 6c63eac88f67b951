"""The CPU against QEMU: generated programs, run on both, compared register by register."""
