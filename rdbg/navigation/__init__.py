"""Moving a machine through its own history: the parts that rdbg.timeline puts together."""
