"""The snapshot store of a recording, and saving to it beside a running guest."""
