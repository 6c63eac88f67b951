"""Virtio devices over PCI (Virtual I/O Device Version 1.1), legacy and modern, as QEMU 7.2 offers them."""
