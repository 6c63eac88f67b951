"""Processes, of this computer or of many, that answer pieces of questions to a run."""
