"""The computer that rdbg runs on: its files, its clock, and what is written there for people."""
