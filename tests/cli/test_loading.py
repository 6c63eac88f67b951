"""What a run loads: the devices, back ends and image formats that it has, and no others."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.command import TANK

_PROGRAM = """
import sys
from rdbg.cli.qemu_options import parse_line
from rdbg.session.session import Session
from rdbg.session.surroundings import Surroundings
session = Session(parse_line(sys.argv[1:]).options, Surroundings())
session.close()
print(*sys.modules)
"""
_CARDS = ("rdbg.emu.devices.network", "rdbg.emu.devices.virtio")
_NETWORKS = ("rdbg.netdev.networks", "rdbg.netdev.netdev_spec", "rdbg.netdev.user_network", "cffi")
_IMAGES = ("rdbg.images.open_image", "rdbg.images.qcow2_image", "rdbg.store.first_contents")


def _loaded(*options: str) -> set[str]:
    words = ["-kernel", str(TANK), "-serial", "null", *options]
    ran = subprocess.run([sys.executable, "-c", _PROGRAM, *words], capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


def test_a_run_without_cards_and_images_loads_none() -> None:
    loaded = _loaded("-net", "none")
    assert "rdbg.emu.boards.malta" in loaded
    others = (*_CARDS, *_NETWORKS, *_IMAGES, "rdbg.emu.boards.bare", "unicorn")
    assert [name for name in loaded if name.startswith(others)] == []


@pytest.mark.parametrize(
    ("card", "has"),
    [("e1000", "network.e1000"), ("rtl8139", "network.rtl8139"), ("virtio-rng-pci", "virtio.rng")],
)
def test_a_run_with_a_card_loads_that_card_alone(card: str, has: str) -> None:
    loaded = _loaded("-net", "none", "-device", card)
    cards = {"network.e1000", "network.pcnet", "network.rtl8139", "virtio.rng"}
    assert {name for name in cards if f"rdbg.emu.devices.{name}" in loaded} == {has}
