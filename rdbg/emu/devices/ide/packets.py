"""Answers to packet commands (MMC-5, SPC-3), as QEMU 7.2's CD-ROM drive gives them."""

from __future__ import annotations

from rdbg.emu.devices.ide.identify import CD_MODEL, FIRMWARE

CD_SECTOR, RAW_SECTOR = 2048, 2352
CD_MOST = 80 * 60 * 75  #: CD sectors; a larger disc is a DVD
_FRAMES, _SECONDS, _PREGAP = 75, 60, 150
_PROFILE_CD, _PROFILE_DVD = 0x0008, 0x0010
LEAD_OUT = 0xAA


def minute_second_frame(sector: int) -> bytes:
    """A sector's place in minutes, seconds and frames."""
    frame = sector + _PREGAP
    return bytes((frame // _FRAMES // _SECONDS & 0xFF, frame // _FRAMES % _SECONDS, frame % _FRAMES))


def raw_sector(data: bytes, sector: int) -> bytes:
    """A whole sector as it stands on the disc: sync, place, mode 1, data, and zeros for the error correction."""
    return b"\0" + b"\xff" * 10 + b"\0" + minute_second_frame(sector) + b"\1" + data + bytes(288)


def sense(key: int, code: int) -> bytes:
    """REQUEST SENSE."""
    return bytes((0xF0, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, 0, 0, 0, 0, 0))


def inquiry() -> bytes:
    """INQUIRY: the standard data."""
    head = bytes((0x05, 0x80, 0x00, 0x21, 31, 0, 0, 0))
    return head + b"QEMU".ljust(8) + CD_MODEL.encode().ljust(16) + FIRMWARE.encode().ljust(4)


#: Pages of INQUIRY's vital product data.
PAGES, IDENTIFICATION = 0x00, 0x83
_ASCII, _VENDOR_ID = 2, 1


def inquiry_page(page: int, serial: str) -> bytes | None:
    """INQUIRY: a page of vital product data; None: there is no such page."""
    if page == PAGES:
        listed = bytes((PAGES, IDENTIFICATION))
        return bytes((0x05, page, 0, len(listed))) + listed
    if page == IDENTIFICATION:
        number = serial.encode("ascii", "replace")[:20].ljust(20)
        name = b"ATA".ljust(8) + CD_MODEL.encode().ljust(40) + number
        body = bytes((_ASCII, 0, 0, len(number))) + number + bytes((_ASCII, _VENDOR_ID, 0, len(name))) + name
        return bytes((0x05, page, 0, len(body))) + body
    return None


def configuration(sectors: int) -> bytes:
    """GET CONFIGURATION: the list of profiles, with the one of a disc of so many sectors of 2048 bytes; 0: no disc."""
    current = 0 if not sectors else _PROFILE_DVD if sectors > CD_MOST else _PROFILE_CD
    profiles = b"".join(
        profile.to_bytes(2, "big") + bytes((profile == current, 0)) for profile in (_PROFILE_DVD, _PROFILE_CD)
    )
    body = bytes(2) + current.to_bytes(2, "big") + bytes((0, 0, 0x03, len(profiles))) + profiles
    return len(body).to_bytes(4, "big") + body


def media_event(tray_open: bool, has_disc: bool) -> bytes:
    """GET EVENT STATUS NOTIFICATION of the media class: nothing has changed."""
    return bytes((0, 4, 4, 0x10, 0, 0x01 if tray_open else 0x02 if has_disc else 0x00, 0, 0))


def no_event() -> bytes:
    """GET EVENT STATUS NOTIFICATION of other classes: the one class that there is."""
    return bytes((0, 0, 0x80, 0x10))


#: Pages of MODE SENSE.
ERROR_RECOVERY, AUDIO, CAPABILITIES = 0x01, 0x0E, 0x2A


def mode_page(page: int, locked: bool) -> bytes | None:
    """MODE SENSE (10): the header and a page; None: there is no such page.

    Args:
        page: its code.
        locked: whether the tray is.
    """
    if page == ERROR_RECOVERY:
        body = bytes((page, 6, 0x00, 0x05, 0, 0, 0, 0))
    elif page == AUDIO:
        body = bytes((page, 14)) + bytes(14)
    elif page == CAPABILITIES:
        body = bytes((page, 20, 0x3B, 0, 0x71, 0x60, 0x29 | (2 if locked else 0), 0))
        body += (704).to_bytes(2, "big") + bytes((0, 2)) + (512).to_bytes(2, "big") + (704).to_bytes(2, "big")
        body += bytes(6)
    else:
        return None
    head = bytes((0x70, 0, 0, 0, 0, 0))
    return (len(head) + len(body)).to_bytes(2, "big") + head + body


def mechanism_status() -> bytes:
    """MECHANISM STATUS."""
    return bytes((0, 0, 0, 0, 0, 1, 0, 0))


def capacity(sectors: int) -> bytes:
    """READ CAPACITY."""
    return (sectors - 1 & 0xFFFF_FFFF).to_bytes(4, "big") + CD_SECTOR.to_bytes(4, "big")


def disc_information() -> bytes:
    """READ DISC INFORMATION: one finished session."""
    return bytes((0, 32, 0x0E, 1, 1, 1, 1, 0x20)) + bytes(26)


def _place(sector: int, in_minutes: bool) -> bytes:
    return b"\0" + minute_second_frame(sector) if in_minutes else sector.to_bytes(4, "big")


def contents(sectors: int, in_minutes: bool, first_track: int) -> bytes | None:
    """READ TOC, format 0: the one track, and where it ends; None: there is no such track."""
    if first_track > 1 and first_track != LEAD_OUT:
        return None
    tracks = b"" if first_track == LEAD_OUT else bytes((0, 0x14, 1, 0)) + _place(0, in_minutes)
    tracks += bytes((0, 0x16, LEAD_OUT, 0)) + _place(sectors, in_minutes)
    return (len(tracks) + 2).to_bytes(2, "big") + b"\1\1" + tracks


def sessions() -> bytes:
    """READ TOC, format 1: one session."""
    return bytes((0, 0x0A, 1, 1)) + bytes(8)


def raw_contents(sectors: int, in_minutes: bool) -> bytes:
    """READ TOC, format 2."""
    entries = bytes((1, 0x14, 0, 0xA0, 0, 0, 0, 0, 1, 0, 0))
    entries += bytes((1, 0x14, 0, 0xA1, 0, 0, 0, 0, 1, 0, 0))
    entries += bytes((1, 0x14, 0, 0xA2, 0, 0, 0)) + _place(sectors, in_minutes)
    entries += bytes((1, 0x14, 0, 1, 0, 0, 0)) + (_place(0, in_minutes) if in_minutes else bytes(4))
    return (len(entries) + 2).to_bytes(2, "big") + b"\1\1" + entries


#: Formats of READ DVD STRUCTURE.
PHYSICAL, COPYRIGHT, MANUFACTURING, STRUCTURES = 0x00, 0x01, 0x04, 0xFF


def dvd_structure(kind: int, layer: int, sectors: int) -> bytes | None:
    """READ DVD STRUCTURE; None: there is no such structure."""
    if kind == PHYSICAL and not layer:
        last = (sectors - 1 & 0xFFFF_FFFF).to_bytes(4, "big")
        return (bytes((0x08, 0x02, 0, 0, 1, 0x0F, 1, 0, 0, 0, 0, 0)) + last + last).ljust(2052, b"\0")
    if kind == COPYRIGHT:
        return bytes((0, 6, 0, 0, 0, 0, 0, 0))
    if kind == MANUFACTURING:
        return bytes((0x08, 0x02)).ljust(2052, b"\0")
    if kind == STRUCTURES:
        listed = ((0, 2052), (1, 8), (3, 192), (4, 2052))
        return bytes((0, 18, 0, 0)) + b"".join(bytes((k, 0x40)) + size.to_bytes(2, "big") for k, size in listed)
    return None
