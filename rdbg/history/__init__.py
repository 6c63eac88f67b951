"""What a run has been given, and what it is being given now."""
