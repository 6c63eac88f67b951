"""Symbols of a guest that brings no file with them, and ELF files that carry them to GDB."""
