"""Realtek RTL8139C+."""
