"""A page in a browser that shows a run along its time, and moves in it. User's page: docs/ui.md."""
