"""States in memory that a replay can start from, and what each stretch of the run touched."""
