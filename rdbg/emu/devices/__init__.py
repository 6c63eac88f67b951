"""Devices: plain Python, all state in plain values, time from the machine's virtual clock."""
