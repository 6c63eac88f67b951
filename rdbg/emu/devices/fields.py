"""Saving and loading a device's plain attributes by name."""

from __future__ import annotations

from rdbg.emu.device import Device, State
from rdbg.errors import RdbgError


def save_fields(device: Device, names: tuple[str, ...]) -> State:
    """The named attributes (int, bool, str, bytes or None) as a new dict."""
    return {name: getattr(device, name) for name in names}


def load_fields(device: Device, names: tuple[str, ...], state: State) -> None:
    """Set the named attributes from what ``save_fields`` gave.

    Raises:
        RdbgError: one is missing: the state is from another version of the device.
    """
    for name in names:
        if name not in state:
            raise RdbgError(f"saved state of device {device.name!r} has no field {name!r}: made by another version")
        setattr(device, name, state[name])


def load_ints(device: Device, name: str, state: State, length: int) -> list[int]:
    """A list of ``length`` integers out of a saved state.

    Raises:
        RdbgError: it is missing or not of that shape.
    """
    value = state.get(name)
    if not isinstance(value, list) or len(value) != length:
        raise RdbgError(f"saved state of device {device.name!r} has no list {name!r} of {length} values")
    return [item for item in value if isinstance(item, int)]


def load_bytes(device: Device, name: str, state: State) -> bytes:
    """A byte string out of a saved state.

    Raises:
        RdbgError: it is missing or of another type.
    """
    value = state.get(name)
    if not isinstance(value, bytes):
        raise RdbgError(f"saved state of device {device.name!r} has no bytes {name!r}")
    return value
