"""A disk's SMART feature set (ATA/ATAPI-7, 6.23), as far as QEMU 7.2 has it: it is always well."""

from __future__ import annotations

from rdbg.emu.devices.ide.drive import SECTOR

READ_DATA, READ_THRESHOLDS, AUTOSAVE, EXECUTE, READ_LOG = 0xD0, 0xD1, 0xD2, 0xD4, 0xD5
ENABLE, DISABLE, STATUS = 0xD8, 0xD9, 0xDA
KEY_LOW, KEY_HIGH = 0x4F, 0xC2  #: what the cylinder registers must hold
AUTOSAVE_OFF, AUTOSAVE_ON = 0x00, 0xF1
LOG_ERRORS, LOG_SELF_TESTS = 0x01, 0x06
SELF_TESTS_MAX, SELF_TEST_SIZE = 21, 24
SELF_TESTS = 3  #: off-line, short, extended: the kinds that can be begun

#: Attribute, flags (16 bits), value, worst, raw value (6 bytes), threshold.
_ATTRIBUTES = (
    (0x01, 0x03, 0x00, 0x64, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x06),  # read errors
    (0x03, 0x03, 0x00, 0x64, 0x64, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00),  # spin-up time
    (0x04, 0x02, 0x00, 0x64, 0x64, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x14),  # starts and stops
    (0x05, 0x03, 0x00, 0x64, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x24),  # remapped sectors
    (0x09, 0x03, 0x00, 0x64, 0x64, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00),  # hours
    (0x0C, 0x03, 0x00, 0x64, 0x64, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00),  # power cycles
    (0xBE, 0x03, 0x00, 0x45, 0x45, 0x1F, 0x00, 0x1F, 0x1F, 0x00, 0x00, 0x32),  # temperature
)  # fmt: skip
_ATTRIBUTE_SIZE = 12


def _with_sum(data: bytearray) -> bytes:
    data[SECTOR - 1] = -sum(data[: SECTOR - 1]) & 0xFF
    return bytes(data)


def sector_read(feature: int, number: int, autosave: bool, tests: bytes, count: int) -> bytes | None:
    """What one of the subcommands that read gives; None: there is no such one.

    Args:
        feature: the subcommand.
        number: of the log that is read.
        autosave: whether attributes are saved without being asked for.
        tests: the log of self-tests, 512 bytes, as tests left it.
        count: number of the last self-test; 0: there was none.
    """
    if feature == READ_THRESHOLDS:
        return _thresholds()
    if feature == READ_DATA:
        return _values(autosave)
    if feature == READ_LOG and number == LOG_ERRORS:
        return _error_log()
    if feature == READ_LOG and number == LOG_SELF_TESTS:
        return _self_test_log(tests, count)
    return None


def _thresholds() -> bytes:
    """READ THRESHOLDS."""
    data = bytearray(SECTOR)
    data[0] = 1
    for index, attribute in enumerate(_ATTRIBUTES):
        at = 2 + index * _ATTRIBUTE_SIZE
        data[at], data[at + 1] = attribute[0], attribute[11]
    return _with_sum(data)


def _values(autosave: bool) -> bytes:
    """READ DATA."""
    data = bytearray(SECTOR)
    data[0] = 1
    for index, attribute in enumerate(_ATTRIBUTES):
        at = 2 + index * _ATTRIBUTE_SIZE
        data[at : at + 11] = bytes(attribute[:11])
    data[362] = 0x82 if autosave else 0x02
    data[364], data[365] = 0x20, 0x01
    data[367] = 0x19  # self-tests and off-line collection can be begun
    data[368], data[370] = 0x03, 0x01
    data[372], data[373], data[374] = 0x02, 0x36, 0x01  # minutes that the tests take
    return _with_sum(data)


def _error_log() -> bytes:
    """The summary of errors: there are none."""
    data = bytearray(SECTOR)
    data[0] = 1
    return _with_sum(data)


def _self_test_log(tests: bytes, count: int) -> bytes:
    """The self-tests."""
    data = bytearray(SECTOR)
    data[0] = 1
    if count:
        data[2:506] = tests[2:506]
        data[508] = count
    return _with_sum(data)


def add_self_test(tests: bytearray, count: int, kind: int) -> int:
    """Note a self-test that went well; gives its number."""
    count = count % SELF_TESTS_MAX + 1
    at = 2 + (count - 1) * SELF_TEST_SIZE
    tests[at : at + 4] = bytes((kind, 0, 0x34, 0x12))  # and after how many hours
    return count
