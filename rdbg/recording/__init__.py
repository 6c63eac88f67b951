"""A recording on disk: its files together, in one pack, and in words."""
