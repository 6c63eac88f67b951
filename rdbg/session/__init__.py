"""A run from beginning to end, as its options ask."""
