"""Tools by which language models look at a recorded run."""
