"""Peripherals that a user writes in Python: what they see, what is refused to them, and how the machine has them."""
