"""ELF files as rdbg reads them: images of guests, and symbols that users bring. Who made one may have lied in it."""
