"""Disk images on the host: their formats, their locks, what a run keeps of them, and what it writes to them."""
