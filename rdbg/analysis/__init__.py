"""Questions to stretches of a run, answered in tables. It knows no GDB and no command line."""
