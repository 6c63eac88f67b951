"""Objects of JSON as the dotted keys that QEMU makes of them."""

from __future__ import annotations


def flattened_json(value: object, prefix: str = "") -> dict[str, str]:
    """JSON's objects as dotted keys.

    Args:
        value: what was read.
        prefix: the key that it stands at.

    Raises:
        ValueError: something in it is no object, text, number or switch, or one of them stands there twice: once with
            a dotted key.
    """
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, inner in value.items():
            made = flattened_json(inner, f"{prefix}.{key}" if prefix else str(key))
            twice = next((each for each in made if each in found), None)
            if twice is not None:
                raise ValueError(f"duplicate key {twice!r}")
            found |= made
        return found
    if isinstance(value, bool):
        return {prefix: "on" if value else "off"}
    if isinstance(value, str | int) and prefix:
        return {prefix: str(value)}
    raise ValueError(f"{prefix or 'it'} is no object, text, number or switch")
