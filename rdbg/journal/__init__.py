"""The journal: every nondeterministic input of a run, in order, each at its icount."""
