"""Disk images on the host."""
