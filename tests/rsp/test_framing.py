"""Framing: whatever is sent comes out again, and whatever comes in does no harm."""

from hypothesis import given
from hypothesis import strategies as st

from rdbg.rsp.framing import (
    Acknowledge,
    Damaged,
    Decoder,
    Interrupt,
    Packet,
    compress,
    encode,
    escape,
    expand,
    unescape,
)

LIMIT = 1 << 16
runs = st.lists(st.tuples(st.sampled_from(b"0a#$}*]\x03 "), st.integers(1, 250))).map(
    lambda parts: b"".join(bytes((byte,)) * count for byte, count in parts)
)
payloads = st.binary(max_size=400) | runs


@given(payloads)
def test_a_packet_comes_out_as_it_went_in(data: bytes) -> None:
    assert Decoder(LIMIT).feed(encode(data)) == [Packet(data)]


@given(st.lists(payloads, max_size=5), st.data())
def test_packets_survive_any_cutting_of_the_stream(packets: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(encode, packets))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder(LIMIT)
    events = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        events += decoder.feed(stream[start:end])
    assert events == [Packet(packet) for packet in packets]


@given(payloads)
def test_run_lengths_and_escapes_are_each_reversible(data: bytes) -> None:
    assert unescape(escape(data)) == data
    escaped = escape(data)
    assert expand(compress(escaped), LIMIT) == escaped
    assert len(compress(escaped)) <= len(escaped)


@given(st.binary(max_size=300))
def test_any_bytes_do_no_harm_and_the_next_packet_is_read(noise: bytes) -> None:
    decoder = Decoder(LIMIT)
    decoder.feed(noise)
    decoder.feed(b"#00")  # ends what the noise may have begun
    assert decoder.feed(encode(b"qC"))[-1] == Packet(b"qC")


def test_a_run_is_encoded_as_the_manual_says() -> None:
    assert encode(b"0000") == b"$0* #7a"


def test_acknowledgements_and_interrupts_between_packets() -> None:
    events = Decoder(LIMIT).feed(b"+\x03-$g#67\x03")
    assert events == [Acknowledge(True), Interrupt(), Acknowledge(False), Packet(b"g"), Interrupt()]


def test_a_wrong_checksum_asks_for_the_packet_again() -> None:
    (event,) = Decoder(LIMIT).feed(b"$g#68")
    assert isinstance(event, Damaged) and event.resend


def test_a_packet_cut_short_does_not_swallow_the_next() -> None:
    assert Decoder(LIMIT).feed(b"$m800$g#67") == [Packet(b"g")]


def test_a_packet_without_end_is_skipped_and_does_not_grow_the_buffer() -> None:
    decoder = Decoder(64)
    for _ in range(100):
        assert decoder.feed(b"$" + b"a" * 100) == []
    assert [type(event) for event in decoder.feed(b"aaa#00")] == [Damaged]
    assert decoder.feed(encode(b"g")) == [Packet(b"g")]


def test_a_repeat_cannot_expand_without_bound() -> None:
    (event,) = Decoder(64).feed(b"$0*~*~*~#%02x" % (sum(b"0*~*~*~") & 0xFF))
    assert isinstance(event, Damaged)
