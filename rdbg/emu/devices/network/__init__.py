"""Network cards on the PCI bus."""
