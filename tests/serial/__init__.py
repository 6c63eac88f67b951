"""Tests of the host ends of serial ports."""
