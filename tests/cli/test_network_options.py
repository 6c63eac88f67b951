"""Cards and networks on the command line: as QEMU puts them together, or refused with the cure."""

from __future__ import annotations

import re
import shlex
import subprocess
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from pathlib import Path

import pytest

from rdbg.cli.card_models import CARD_MODELS
from rdbg.cli.qemu_options import parse_line
from rdbg.net.tcp_address import TcpAddress
from rdbg.netdev.netdev_spec import DatagramNet, HostForward, StreamNet, TapNet, UserNet
from rdbg.netdev.network_plan import NetworkSegment
from rdbg.session.options import RunOptions
from tests.cli.command import TANK, assert_one_line, rdbg_here


def _options(line: str) -> RunOptions:
    return parse_line(shlex.split(line)).options


def _user(line: str) -> UserNet:
    (netdev,) = _options(f"-nic {shlex.quote(line)}").netdevs
    assert isinstance(netdev.netdev.kind, UserNet)
    return netdev.netdev.kind


CARDS = (
    "",
    "-nodefaults",
    "-net none",
    "-net nic -net user -net nic,model=rtl8139",
    "-nic user,model=e1000 -net nic,macaddr=52:54:00:12:34:57 -net user -device rtl8139 -device e1000",
    "-nodefaults -device e1000 -device rtl8139,mac=52:54:00:12:34:56 -device pcnet,addr=1f -device virtio-net,addr=3.0",
    "-vga none -nic none -device virtio-net-pci,id=x -device virtio-serial -device virtserialport "
    "-device virtconsole -device e1000",
    "-nic user,model=virtio -nic user,model=pcnet -nic user -device virtio-rng -drive if=virtio,file={disk},format=raw "
    "-device pcnet,mac=0a:0b:0c:0d:0e:0f",
    "-netdev user,id=a -netdev hubport,id=h1,hubid=3,netdev=a -netdev hubport,id=h2,hubid=3 -device e1000,netdev=h2",
)


@pytest.mark.real("qemu-system-mips")
@pytest.mark.parametrize("line", CARDS)
def test_slots_and_addresses_are_qemus(line: str, tmp_path: Path) -> None:
    for rom in ("vgabios-cirrus.bin", "efi-pcnet.rom", "efi-e1000.rom", "efi-rtl8139.rom", "efi-virtio.rom"):
        (tmp_path / rom).write_bytes(bytes(512))  # Debian splits them off
    (tmp_path / "bios").write_bytes(bytes(1024))
    line = line.format(disk=tmp_path / "bios")
    command = [
        "qemu-system-mipsel",
        "-M",
        "malta",
        "-bios",
        tmp_path / "bios",
        "-L",
        tmp_path,
        "-S",
        "-display",
        "none",
    ]
    done = subprocess.run(
        [*map(str, command), "-monitor", "stdio", *line.split()],
        input=b"info pci\ninfo network\nquit\n", capture_output=True, timeout=60,
    )  # fmt: skip
    said = done.stdout.decode()
    slots = [
        (int(slot), identity)
        for slot, identity in re.findall(r"device +(\d+), function 0:\s+[^\n]*PCI device ([0-9a-f:]+)", said)
        if identity not in ("11ab:4620", "8086:7110", "1013:00b8")  # the board's own, and the graphics card
    ]
    identities = {
        "pcnet": "1022:2000", "e1000": "8086:100e", "rtl8139": "10ec:8139", "virtio-net-pci": "1af4:1000",
        "virtio-blk-pci": "1af4:1001", "virtio-serial-pci": "1af4:1003", "virtio-rng-pci": "1af4:1005",
    }  # fmt: skip
    options = _options(line)
    ours = [(card.slot, identities[card.model]) for card in options.plugged if card.slot is not None]
    assert sorted(ours, key=lambda card: card[0] or 0) == slots
    macs = re.findall(r"type=nic,model=[^,]*,macaddr=([0-9a-f:]+)", said)
    assert sorted(card.mac.hex(":") for card in options.plugged if card.mac) == sorted(macs)
    warned = set(re.findall(r"warning: (\w+ \S+)", done.stderr.decode() + said))
    assert {re.findall(r"warning: (\w+ \S+)", notice)[0] for notice in options.notices} == warned


def test_who_hears_whom() -> None:
    options = _options("-net nic -net user -net nic -nic socket,listen=:1,model=e1000 -netdev user,id=a")
    # -nic comes before -net
    assert options.network_plan.segments == (
        NetworkSegment((1, 2), ("#net000",)),
        NetworkSegment((0,), ("#net001",)),
    )
    options = _options(
        "-netdev hubport,id=p,hubid=7 -netdev hubport,id=q,hubid=7,netdev=u -netdev user,id=u "
        "-netdev hubport,id=r,hubid=7 -device e1000,netdev=p -device pcnet,netdev=r"
    )
    assert options.network_plan.segments == (NetworkSegment((0, 1), ("u",)),) and options.notices == ()
    options = _options("-netdev user,id=n -device virtio-net,netdev=n -device rtl8139")
    assert options.network_plan.short_cards == (0,)
    assert [netdev.name for netdev in options.network_plan.netdevs] == ["n"]
    assert _options("").network_plan.segments == _options("-net nic -net user").network_plan.segments


def test_the_user_networks_options() -> None:
    assert _user("user") == UserNet()
    for line in ("-nic model=e1000", "-nic model=e1000,type=user", "-nic hostfwd=tcp::0-:80"):
        options = _options(line)
        assert isinstance(options.netdevs[0].netdev.kind, UserNet), line
        assert options.plugged[0].model == ("e1000" if "e1000" in line else "pcnet")
    assert _user(
        "user,net=192.168.76.0/24,host=192.168.76.9,dns=192.168.76.8,dhcpstart=192.168.76.20,restrict=on,tftp=/srv,"
        "bootfile=b,hostname=h,domainname=d,dnssearch=x,dnssearch=y,ipv6=off,tftp-server-name=t"
    ) == UserNet(
        ipv6=False,
        restricted=True,
        network=IPv4Network("192.168.76.0/24"),
        router=IPv4Address("192.168.76.9"),
        dhcp_start=IPv4Address("192.168.76.20"),
        nameserver=IPv4Address("192.168.76.8"),
        hostname="h",
        domain="d",
        search=("x", "y"),
        tftp="/srv",
        tftp_server_name="t",
        bootfile="b",
    )
    assert (
        _user("user,net=10.1.2.3/255.0.0.0").network == _user("user,net=10.0.0.0").network == IPv4Network("10.0.0.0/8")
    )
    assert (_user("user,ipv6=on").ipv4, _user("user,ipv4=on").ipv6) == (False, False)
    assert _user("user,ipv6-net=fd00::/80").network6 == IPv6Network("fd00::/80")
    loopback, guest = IPv4Address("127.0.0.1"), IPv4Address("10.0.2.7")
    assert _user("user,hostfwd=tcp::8080-:80,hostfwd=udp:0.0.0.0:53-10.0.2.7:53,hostfwd=::1-:2").host_forwards == (
        HostForward(False, loopback, 8080, None, 80),
        HostForward(True, IPv4Address("0.0.0.0"), 53, guest, 53),
        HostForward(False, loopback, 1, None, 2),
    )
    tcp, command = _user(
        "user,guestfwd=tcp:10.0.2.7:9-tcp:127.0.0.1:1,guestfwd=:10.0.2.7:10-cmd:nc a,,b"
    ).guest_forwards
    assert (tcp.address, tcp.port) == (guest, 9) and tcp.target is not None
    assert tcp.target.address == TcpAddress("127.0.0.1", 1) and command.command == "nc a,b"


def test_the_other_back_ends() -> None:
    at = TcpAddress("127.0.0.1", 7)
    group = TcpAddress("230.0.0.1", 7)
    found = {
        "socket,listen=:7": StreamNet(at, server=True),
        "socket,connect=127.0.0.1:7": StreamNet(at),
        "socket,listen=0.0.0.0:7": StreamNet(TcpAddress("0.0.0.0", 7), server=True),
        "socket,mcast=230.0.0.1:7": DatagramNet(group),
        "socket,mcast=230.0.0.1:7,localaddr=127.0.0.1": DatagramNet(group, TcpAddress("127.0.0.1", 0)),
        "socket,udp=127.0.0.1:7,localaddr=:7": DatagramNet(at, at),
        "socket,fd=5": StreamNet(descriptor=5),
        "stream,addr.type=inet,addr.host=127.0.0.1,addr.port=7,server=on": StreamNet(at, server=True),
        "stream,addr.type=unix,addr.path=P,reconnect=3": StreamNet(path="P", reconnect=3),
        "stream,addr.type=unix,addr.path=P,reconnect-ms=1500": StreamNet(path="P", reconnect=2),
        "dgram,remote.type=inet,remote.host=230.0.0.1,remote.port=7": DatagramNet(group),
        "dgram,local.type=unix,local.path=L,remote.type=unix,remote.path=R": DatagramNet(
            remote_path="R", local_path="L"
        ),
        "dgram,local.type=fd,local.str=4": DatagramNet(descriptor=4),
        "tap,ifname=tap7,script=no,downscript=no": TapNet("tap7"),
        "tap,ifname=tap7,script=up,downscript=down": TapNet("tap7", "up", "down"),
        "tap,fd=3": TapNet(descriptor=3),
        "tap,helper=H": TapNet(bridge="br0", helper="H"),
        "bridge,br=br-wan,helper=H": TapNet(bridge="br-wan", helper="H"),
    }
    for line, kind in found.items():
        for option in (f"-netdev {line},id=n", f"-nic {line}", f"-net {line}"):
            assert [made.netdev.kind for made in _options(option).netdevs] == [kind]


def test_json_as_libvirt_writes_it() -> None:
    lines = {
        '{"type":"user","id":"n","hostfwd":[{"str":"tcp::7-:8"},{"str":"tcp::9-:8"}],"restrict":true}': "user,id=n,"
        "hostfwd=tcp::7-:8,hostfwd=tcp::9-:8,restrict=on",
        '{"type":"stream","id":"n","addr":{"type":"unix","path":"a,b"},"server":false,"reconnect":3}': "stream,id=n,"
        "addr.type=unix,addr.path=a,,b,server=off,reconnect=3",
    }
    for written, line in lines.items():
        (read,), (wanted,) = (
            parse_line(["-netdev", said, "-device", '{"driver":"e1000","netdev":"n"}']).options.netdevs
            for said in (written, line)
        )
        assert (read.netdev.name, read.netdev.kind) == (wanted.netdev.name, wanted.netdev.kind)


def test_a_number_of_json_is_a_slot_with_its_function_and_objects_may_be_json() -> None:
    options = _options(
        """-nodefaults -device '{"driver":"e1000","addr":96}' -device "{'driver':'pcnet','addr':-1}" """
        """-netdev user,id=n -object '{"id":"d","netdev":"n","file":"F","maxlen":100,"qom-type":"filter-dump"}' """
        "-object id=i,qom-type=iothread"
    )
    assert [card.slot for card in options.plugged] == [0x0C, 0x12]
    assert [(dump.name, dump.path, dump.longest) for dump in options.dumps] == [("d", "F", 100)]


def test_a_slots_function_may_be_hexadecimal_too() -> None:
    (card,) = _options("-nodefaults -device e1000,addr=0x0b.0x0").plugged
    assert card.slot == 0x0B


def test_what_holds_for_all_devices_of_a_model() -> None:
    options = _options(
        "-global e1000.mac=52:54:00:00:00:09 -device e1000 -device e1000,mac=52:54:00:00:00:0a -nic user,model=e1000 "
        "-global driver=virtio-blk-pci,property=disable-modern,value=on -drive if=virtio,file=F "
        "-global ide-hd.serial=S -hda F -drive file=F,serial=T -global PIIX4_PM.disable_s3=1"
    )
    macs = [card.mac.hex(":") for card in options.plugged if card.mac]
    assert macs == ["52:54:00:12:34:56", "52:54:00:00:00:09", "52:54:00:00:00:0a"]
    assert options.plugged[-1].properties == (("disable-modern", "on"),)
    assert [drive.serial for drive in options.drives] == ["", "S", "T", ""]
    assert options.notices[0] == (
        "-global PIIX4_PM.disable_s3=1: no device 'PIIX4_PM' is here to be told; the run goes on without it"
    )


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("-device e100", ["-device e100: no such device (did you mean e1000?); see -device help"]),
        ("-device ne2k_pci", ["no such network card; use pcnet, e1000, rtl8139 or virtio-net-pci"]),
        ("-device virtio-scsi-pci", ["no such controller; use ide-hd or virtio-blk-pci"]),
        ("-redir tcp:5555::22", ["-nic user,hostfwd=tcp::PORT-:PORT leads from the host"]),
        ("-device isa-serial,chardev=c", ["malta has its own ISA devices built in"]),
        ("-device usb-kbd", ["nothing can be plugged into its USB"]),
        ("-device pcnet,netdv=n", ["pcnet has no property 'netdv' (did you mean netdev?); see -device pcnet,help"]),
        ("-device pcnet,netdev=n", ["there is no netdev 'n'; add -netdev user,id=n"]),
        ("-netdev user,id=net0 -device pcnet,netdev=net", ["no netdev 'net' (did you mean net0?)"]),
        ("-device pcnet,id=a -device e1000,id=a", ["a second device with id=a; choose another"]),
        ("-device pcnet,mac=1:2:3", ["mac=1:2:3: no MAC address; write for example 52:54:00"]),
        ("-device pcnet,mac=01:00:00:00:00:01", ["group's address; make its first byte even"]),
        ("-device pcnet,addr=20", ["addr=20: no PCI slot; write one from 0 to 1f"]),
        ("-device pcnet,addr=3.1", ["one function here; write addr=3"]),
        ("-device pcnet,addr=a", ["PCI slot 0a is taken by the south bridge"]),
        ("-device pcnet,addr=3 -device e1000,addr=03.0", ["PCI slot 03 is taken by -device pcnet,addr=3"]),
        ("-device pcnet,bus=pci.7", ["no bus 'pci.7'; the board's is pci.0"]),
        ("-device virtio-net,multifunction=on", ["drop multifunction=on"]),
        ("-device virtio-net,csum=maybe", ["'maybe' is neither on nor off"]),
        ("-device '{\"driver\":3}'", ['names no device; write {"driver":"NAME"']),
        ("-device virtio-blk,drive=d", ["there is no drive 'd'; add drive=ID and -drive file=F,if=none,id=ID"]),
        ("-device virtio-serial -device virtserialport,nr=0", ["keeps its port 0 for a virtconsole: give"]),
        ("-device virtio-serial,max_ports=1 -device virtserialport", ["has no room for virtserialport0"]),
        (
            "-device virtio-serial -device virtserialport,name=a -device virtserialport,name=a",
            ["has a port with the name 'a' already"],
        ),
        ("-device virtio-serial -device virtserialport,chardev=c", ["-device virtserialport chardev:c: there is no"]),
        ("-global pcnet.foo=1", ["-global pcnet.foo=1: pcnet has no property 'foo'", "see -device pcnet,help"]),
        ("-global e1000.netdev=n", ["each device has its own netdev; say it with -device"]),
        ("-global e1000.mac=zz -device e1000", ["-global e1000.mac=zz: mac=zz: no MAC address"]),
        ("-global e1000.mac=01:00:00:00:00:01", ["-global e1000.mac=01:00:00:00:00:01: ", "group's address"]),
        (
            "-global e1000.mitigation=maybe",
            ["-global e1000.mitigation=maybe, mitigation: 'maybe' is neither on nor off"],
        ),
        (f"-global ide-hd.serial={'x' * 21}", ["-global ide-hd.serial=x", "up to 20 ASCII characters"]),
        (f"-device virtio-blk-pci,drive=d,serial={'x' * 21}", ["-device virtio-blk-pci", "up to 20 ASCII characters"]),
        ("-global pcnet", ["names no property; write -global CARD.PROPERTY=VALUE"]),
        ("-drive file=F,if=none,id=d -device ide-hd,drive=d,model=X", ["has model=QEMU HARDDISK or", "not 'X'"]),
        ("-device ide-hd", ["-device ide-hd: names no drive; add drive=ID"]),
        ("-drive file=F,id=d -device ide-hd,drive=d", ["drive d is plugged in already (if=ide)"]),
        (
            "-drive file=F,if=none,id=d -device ide-hd,drive=d,bus=ide.2",
            ["no bus 'ide.2'", "there are ide.0 and ide.1"],
        ),
        ("-nic e1000", ["-nic e1000: no such back end", "there are user, socket"]),
        ("-nic user,model=ne2k_pci", ["no network card 'ne2k_pci'; there are e1000, pcnet, rtl8139, virtio-net-pci"]),
        ("-net nic,model=e100", ["no network card 'e100' (did you mean e1000?)"]),
        ('-netdev \'{"type":"user"\'', ["not JSON as QEMU takes it"]),
        ('-netdev \'{"type":"user","id":"n","id":"m"}\'', ["-netdev {", "duplicate key 'id'"]),
        ('-device \'{"driver":"pcnet","driver":"e1000"}\'', ["-device {", "duplicate key 'driver'"]),
        ('-blockdev \'{"driver":"file","node-name":"a","node-name":"b"}\'', ["-blockdev {", "key 'node-name'"]),
        ('-object \'{"qom-type":"iothread","id":"a","id":"b"}\'', ["-object {", "duplicate key 'id'"]),
        ('-device \'{"driver":"pcnet","mac":["x"]}\'', ["mac is no object, text, number or switch"]),
        ('-device \'{"driver":"pcnet","addr":89}\'', ["addr=b.1", "one function"]),
        ('-device \'{"driver":' + "[" * 20_000 + "'", ["too deep"]),
        ('-netdev \'{"type":"user","id":null}\'', ["id is no object, text, number or switch"]),
        ('-netdev \'{"type":"user","id":"n","hostfwd":[5]}\'', ['hostfwd is no list of {"str":"..."}']),
        ('-netdev \'{"type":"user","id":"n","hostfwd":7}\'', ["hostfwd=7: not a forward"]),
        ("-netdev '{}'", [": no such back end"]),
        ("-netdev user", ["has no name; add id=ID"]),
        ("-netdev vde,id=n", ["vde: not supported; use user"]),
        ("-netdev user,id=a -netdev user,id=a", ["a second back end with id=a"]),
        ("-netdev user,id=a -device pcnet,netdev=a -device e1000,netdev=a", ["netdev a has another card; a hub joins"]),
        (
            "-netdev user,id=a,hostfwd=tcp:80-80",
            ["hostfwd=tcp:80-80: not a forward; write hostfwd=tcp|udp:[HOST]:PORT-"],
        ),
        ("-netdev user,id=a,hostfwd=tcp::99999-:80", ["99999 is out of range"]),
        ("-netdev user,id=a,hostfwd=tcp::80-:80,hostfwd=tcp:127.0.0.1:80-:81", ["two hostfwd at 127.0.0.1:80; choose"]),
        ("-netdev user,id=a,hostfwd=tcp::80-10.0.3.1:80", ["10.0.3.1 is no address in 10.0.2.0/24"]),
        ("-netdev user,id=a,guestfwd=tcp:10.0.2.9:1-stdio", ["a back end of its own is wanted"]),
        ("-netdev user,id=a,guestfwd=x", ["guestfwd=x: not a forward; write guestfwd=tcp:ADDRESS:PORT-cmd:PROGRAM"]),
        ("-netdev user,id=a,net=10.0.2", ["net=10.0.2 is no network; write for example"]),
        ("-netdev user,id=a,net=10.0.2.0/30", ["a network of /4 to /28"]),
        (
            "-netdev user,id=a,host=10.0.3.2",
            ["host=10.0.3.2 is no address in 10.0.2.0/24; choose one there, or say net="],
        ),
        ("-netdev user,id=a,dns=10.0.2.9,host=10.0.2.9", ["three addresses"]),
        ("-netdev user,id=a,ipv4=off,ipv6=off", ["neither IPv4 nor IPv6 is left"]),
        ("-netdev user,id=a,smb=/srv", ["smb= is not there", "use tftp=DIR"]),
        ("-netdev user,id=a,domainname=", ["domainname is empty"]),
        ("-netdev user,id=a,bootfile=" + "x" * 128, ["bootfile is longer than 127 bytes"]),
        ("-netdev socket,id=a", ["one of fd=, listen=, connect=, mcast= and udp= is wanted, not 0"]),
        ("-netdev socket,id=a,udp=127.0.0.1:1", ["udp= wants localaddr=HOST:PORT"]),
        ("-netdev socket,id=a,connect=:0", ["port 0 cannot be connected to"]),
        ("-netdev stream,id=a,addr.type=unix", ["names no file; add addr.path=F"]),
        ("-netdev stream,id=a,addr.type=inet", ["names no port; add addr.port=P"]),
        ("-netdev stream,id=a,addr.type=vsock,addr.port=1", ["neither inet, unix nor fd"]),
        ("-netdev dgram,id=a,local.type=unix,local.path=P", ["names no remote"]),
        ("-netdev dgram,id=a,remote.type=inet,remote.host=127.0.0.1,remote.port=1", ["names no local"]),
        ("-netdev tap,id=a,fds=3:4", ["write fd=N"]),
        ("-netdev hubport,id=a", ["'' is not a number"]),
        ("-netdev hubport,id=a,hubid=1,netdev=b", ["no back end 'b'"]),
        ("-object filter-dump,id=d,file=F", ["names no netdev"]),
        ("-object filter-dump,id=d,netdev=n,file=F", ["there is no netdev 'n'"]),
        ("-object filter-dump,id=d,netdev=n,file=F,queue=up", ["queue=up: neither all, rx nor tx"]),
        ("-object secret,id=s", ["-object secret: encrypted images are not read; qemu-img convert"]),
        ("-object filter-buffer,id=f,netdev=n,interval=9", ["packets are not held back here; in a replay each comes"]),
        ("-object cryptodev-backend,id=c", ["not supported; there are filter-dump"]),
        ("-net nic,vlan=0", ["QEMU has no vlan= any more", "-nic KIND,model=CARD joins a card and a back end"]),
        ("-net dump,file=F", ["write -object filter-dump,id=ID,netdev=ID,file=F"]),
        ("-drive file=nbd://host/x", ["'nbd://host/x' is no file of this host; copy it here"]),
        ("-hda https://host/x.img", ["'https://host/x.img' is no file of this host"]),
        ("-fda F", ["there is no such drive; -hda and -drive show images"]),
        ("-d in_asm,int", ["-d in_asm: no such trace; of a recording, rdbg trace tells what ran"]),
        ("-M bare,file=B -device pcnet", ["bare has no slots for cards; drop it, or use -M malta"]),
        (" ".join(["-nic user"] * 9), ["more than 8 of -nic and -net nic; use -device"]),
        (" ".join(["-device pcnet"] * 15), ["no PCI slot is free"]),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_cure(line: str, parts: list[str]) -> None:
    assert_one_line(rdbg_here("run", "-kernel", TANK, *shlex.split(line)), 2, *parts)


def test_the_page_about_the_machine_speaks_of_each_device() -> None:
    page = (Path(__file__).parents[2] / "docs" / "machine.md").read_text()
    assert [model.name for model in CARD_MODELS if model.name not in page] == []


def test_help_lists_cards_and_what_can_be_said_of_them() -> None:
    said = rdbg_here("run", "-device", "help").stdout.decode()
    assert 'name "e1000", bus PCI, alias "e1000-82540em", desc "Intel Gigabit Ethernet"' in said
    said = rdbg_here("run", "-device", "virtio-net,help").stdout.decode()
    assert said.startswith("virtio-net-pci options:\n") and "  mac=<" in said and "  netdev=<" in said
    for words in (["-nic", "model=help"], ["-net", "nic,model=help"]):
        assert "\npcnet\n" in rdbg_here("run", *words).stdout.decode()
    assert "\nstream\n" in rdbg_here("run", "-netdev", "help").stdout.decode()
    assert "filter-dump" in rdbg_here("run", "-object", "help").stdout.decode()
