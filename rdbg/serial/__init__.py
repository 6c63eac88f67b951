"""Host ends of the guest's serial ports."""
