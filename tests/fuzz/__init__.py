"""Inputs that no client should send, by the thousand in the tests and by the million in ``make fuzz``."""
