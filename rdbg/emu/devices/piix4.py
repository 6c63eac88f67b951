"""Intel 82371AB (PIIX4) south bridge: its four PCI functions and the chips of a PC behind it.

USB has no devices on its ports, keyboard and mouse are never touched: they are there so that
firmware and kernels find what they find on QEMU's board.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rdbg.emu.device import Device, State, System
from rdbg.emu.devices.acpi_pm import PORTS as PM_PORTS
from rdbg.emu.devices.acpi_pm import AcpiPm, ApmPorts, GeneralPurposeEvents
from rdbg.emu.devices.byte_device import ByteDevice
from rdbg.emu.devices.fields import BYTE, load_fields, save_fields
from rdbg.emu.devices.i8042 import I8042
from rdbg.emu.devices.i8254 import I8254
from rdbg.emu.devices.i8259 import InterruptPair
from rdbg.emu.devices.ide.ata_disk import AtaDisk
from rdbg.emu.devices.ide.bus_master import BusMasterPorts
from rdbg.emu.devices.ide.cd_drive import CdDrive
from rdbg.emu.devices.ide.channel import CONTROL, DriveMaker, IdeChannel
from rdbg.emu.devices.ide.drive import IdeDrive
from rdbg.emu.devices.isa import IsaBus
from rdbg.emu.devices.mc146818 import Mc146818
from rdbg.emu.devices.pci import Bar, PciFunction, PciIdentity
from rdbg.emu.devices.pci_bus import LINES, PciBus
from rdbg.emu.devices.smbus import SmbusHost
from rdbg.emu.devices.uhci import PORT_COUNT as USB_PORTS
from rdbg.emu.devices.uhci import Uhci
from rdbg.emu.disk import Disk

INTEL = 0x8086
SLOT = 10
PIRQ_ROUTE = 0x60  #: of interrupt lines A to D of the PCI bus: the interrupt request; 16 and more: none
PM_BASE, PM_ENABLE, SMBUS_BASE, SMBUS_ENABLE = 0x40, 0x80, 0x90, 0xD2
SMBUS_PORTS = 64
SMBUS_DEFAULT_BASE = 0x1100
GPE_PORT, GPE_PORTS = 0xAFE0, 4
RESET_PORT = 0xCF9
IDE_PORTS = ((0x1F0, 0x3F6), (0x170, 0x376))  #: of each channel: command block, control block

REQUESTS = 16
IRQ_TIMER, IRQ_KEYBOARD, IRQ_RTC, IRQ_SCI, IRQ_MOUSE = 0, 1, 8, 9, 12
IRQ_IDE0, IRQ_IDE1 = 14, 15


class ConfiguredPorts:
    """Ports whose base and enable bit sit in a function's configuration space.

    Args:
        function: the function.
        device: answers.
        count: number of ports.
        base_register: offset of the base; its low bits are flags.
        enable: (offset, bit) of the switch.
    """

    def __init__(
        self, function: PciFunction, device: Device, count: int, base_register: int, enable: tuple[int, int]
    ) -> None:
        self._function = function
        self.port_device = device
        self._count = count
        self._base_register = base_register
        self._enable = enable

    def port_range(self) -> tuple[int, int] | None:
        """Where the ports are now."""
        offset, bit = self._enable
        if not self._function.config[offset] & bit:
            return None
        return self._function.register(self._base_register, 2) & ~(self._count - 1), self._count


class ResetControl(ByteDevice):
    """Port 0xcf9: bit 2 resets the machine, bit 1 (kind of reset) is kept."""

    def __init__(self, name: str, system: System) -> None:
        super().__init__(name)
        self._system = system
        self.value = 0

    def read_byte(self, offset: int) -> int:
        """The kind of reset."""
        return self.value

    def write_byte(self, offset: int, value: int) -> None:
        """Reset, or choose the kind."""
        if value & 4:
            self._system.request_reset()
        else:
            self.value = value & 2

    def reset(self) -> None:
        """Zero."""
        self.value = 0

    def save(self) -> State:
        """The kind of reset."""
        return save_fields(self, ("value",))

    def load(self, state: State) -> None:
        """Take back what ``save`` gave."""
        load_fields(self, {"value": BYTE}, state)


class Piix4:
    """The south bridge, wired.

    Args:
        system: the machine.
        isa: the bus that its ports are put on.
        pci: the bus that its functions are put on.
        cpu_irq: driven by the interrupt controllers.
        rtc_base: seconds since 1970 that the clock shows at power-on.
        eeproms: contents of the EEPROMs on the SMBus.
        drives: what is on the IDE channels: by place, of which each channel has two, the medium.
    """

    def __init__(
        self,
        system: System,
        isa: IsaBus,
        pci: PciBus,
        cpu_irq: Callable[[bool], None],
        rtc_base: int,
        eeproms: tuple[bytes, ...],
        drives: Mapping[int, Disk],
    ) -> None:
        self.interrupts = InterruptPair(cpu_irq)
        line = self.interrupts.line
        self.pit = I8254("i8254", system, line(IRQ_TIMER))
        self.rtc = Mc146818("rtc", system, line(IRQ_RTC), rtc_base)
        self.keyboard = I8042("i8042", system, line(IRQ_KEYBOARD), line(IRQ_MOUSE))
        self.pm = AcpiPm("piix4.pm", system, line(IRQ_SCI))
        self.apm = ApmPorts("piix4.apm")
        self.events = GeneralPurposeEvents("piix4.gpe")
        self.smbus = SmbusHost("piix4.smbus", eeproms)
        self.reset_control = ResetControl("piix4.reset", system)
        self.channels = (
            IdeChannel("ide0", system, line(IRQ_IDE0), ide_drives(drives, 0)),
            IdeChannel("ide1", system, line(IRQ_IDE1), ide_drives(drives, 1)),
        )
        self._bus_master = BusMasterPorts("piix4.ide.dma", (self.channels[0].master, self.channels[1].master))
        self._usb = Uhci("piix4.uhci", system)
        self.functions = (
            _isa_function(), _ide_function(self._bus_master), _usb_function(self._usb), _pm_function()
        )  # fmt: skip
        self._pci = pci
        self._attach(isa)
        for index, function in enumerate(self.functions):
            pci.attach(SLOT, index, function)
        pci.connect_lines(self._route_line)
        self.devices: tuple[Device, ...] = (
            self.interrupts.slave, self.interrupts.master, self.interrupts.elcr, self.pit, self.rtc,
            self.keyboard, self.keyboard.keyboard, self.keyboard.mouse, self._usb, self.pm, self.apm, self.events,
            self.smbus, self.reset_control, *self.channels, self._bus_master,
            *self.functions,
        )  # fmt: skip

    def _attach(self, isa: IsaBus) -> None:
        isa.attach(0x20, 2, self.interrupts.master)
        isa.attach(0xA0, 2, self.interrupts.slave)
        isa.attach(0x4D0, 2, self.interrupts.elcr)
        isa.attach(0x40, 4, self.pit)
        isa.attach(0x70, 2, self.rtc)
        isa.attach(0x60, 1, self.keyboard, 0)
        isa.attach(0x64, 1, self.keyboard, 4)
        isa.attach(0xB2, 2, self.apm)
        isa.attach(GPE_PORT, GPE_PORTS, self.events)
        isa.attach(RESET_PORT, 1, self.reset_control)
        for channel, (commands, control) in zip(self.channels, IDE_PORTS, strict=True):
            isa.attach(commands, 8, channel)
            isa.attach(control, 1, channel, CONTROL)
            channel.master.connect(self.functions[1])
        pm = self.functions[3]
        isa.attach_movable(ConfiguredPorts(pm, self.pm, PM_PORTS, PM_BASE, (PM_ENABLE, 1)))
        isa.attach_movable(ConfiguredPorts(pm, self.smbus, SMBUS_PORTS, SMBUS_BASE, (SMBUS_ENABLE, 1)))

    def _route_line(self, line: int, level: bool) -> None:
        """A line of the PCI bus has changed: drive the interrupt request that it is routed to, as all that are say."""
        routes = self.functions[0].config[PIRQ_ROUTE : PIRQ_ROUTE + LINES]
        request = routes[line]
        if request < REQUESTS:
            together = any(route == request and self._pci.line_level(other) for other, route in enumerate(routes))
            self.interrupts.line(request)(together)


def ide_drives(disks: Mapping[int, Disk], channel: int) -> DriveMaker:
    """What builds the two drives of a channel.

    Args:
        disks: the media, by place: 0 and 1 are on channel 0.
        channel: which.
    """

    def make(cable: IdeChannel, unit: int) -> IdeDrive:
        place = 2 * channel + unit
        disk = disks.get(place)
        if disk is not None and disk.cdrom:
            return CdDrive(cable, unit, disk, place + 1)
        return AtaDisk(cable, unit, disk, place + 1)

    return make


def _isa_function() -> PciFunction:
    identity = PciIdentity(INTEL, 0x7110, 0x060100, status=0x0200, multifunction=True)
    defaults = (
        (0x4C, b"\x4d\x00\x03\x00"),  # I/O recovery, X-bus chip select
        (0x60, b"\x0a\x0a\x0b\x0b"),  # PIRQ A and B to IRQ 10, C and D to IRQ 11, as Malta firmware routes them
        (0x69, b"\x02"),  # top of memory
        (0x70, b"\x80"),  # MBIRQ0 off
        (0x76, b"\x0c\x0c\x02"),  # motherboard DMA, programmable chip select
        (0xA0, b"\x08"),  # SMI control
        (0xA8, b"\x0f"),  # fast-off timer
    )
    return PciFunction("piix4.isa", identity, defaults)


def _ide_function(bus_master: Device) -> PciFunction:
    identity = PciIdentity(INTEL, 0x7111, 0x010180, status=0x0280)
    return PciFunction("piix4.ide", identity, bars=(Bar(4, "io", 16, bus_master),))


def _usb_function(ports: Device) -> PciFunction:
    identity = PciIdentity(INTEL, 0x7112, 0x0C0300, revision=0x01, interrupt_pin=4)
    defaults = ((0x60, b"\x10"), (0x6A, b"\x01"))  # USB release 1.0, legacy support
    return PciFunction("piix4.usb", identity, defaults, bars=(Bar(4, "io", USB_PORTS, ports),))


def _pm_function() -> PciFunction:
    identity = PciIdentity(INTEL, 0x7113, 0x068000, revision=0x03, status=0x0280, interrupt_pin=1)
    defaults = (
        (PM_BASE, b"\x01"),
        (0x5B, b"\x02"),  # SMM is taken as set up
        (0x5F, b"\x90"),  # device resources, as firmware finds them: parallel port, two serial ports
        (0x63, b"\x60"),
        (0x67, b"\x98"),
        (SMBUS_BASE, (SMBUS_DEFAULT_BASE | 1).to_bytes(2, "little")),
        (SMBUS_ENABLE, b"\x09"),
    )
    return PciFunction("piix4.acpi", identity, defaults)
