"""What a journal says of its run before the first instruction."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace

from rdbg.emu.spec import Image, MachineSpec
from rdbg.errors import RdbgError
from rdbg.host.regular_file import MOST_BYTES
from rdbg.quick_dataclass import dataclass

IMAGE_DIGEST_SIZE = 32


def image_digest(data: bytes) -> bytes:
    """The 32 bytes (BLAKE2b) by which an image is known in journals and snapshot stores."""
    return hashlib.blake2b(data, digest_size=IMAGE_DIGEST_SIZE).digest()


@dataclass(frozen=True)
class ImageReference:
    """An image that the machine started from, without its bytes: those are in the snapshot store.

    Args:
        role: as in Image.
        path: as the user wrote it; a part of the machine, since the kernel finds its own in argv[0].
        length: bytes.
        digest: what `image_digest` gave.
    """

    role: str
    path: str
    length: int
    digest: bytes


@dataclass(frozen=True)
class JournalHeader:
    """The head of a recording.

    Args:
        recording_id: 16 random bytes that the journal and its snapshot store have in common.
        created: host time of the start, seconds since 1970-01-01 UTC.
        rdbg_version: the version that recorded.
        machine: the machine, with images whose ``data`` is empty.
        images: references to the images, in the order of ``machine.images``.
        command_line: the words typed.
        initial_snapshot: name of the snapshot that replay starts from; empty: replay starts from power-on.
        start: icount where the recording starts.
    """

    recording_id: bytes
    created: int
    rdbg_version: str
    machine: MachineSpec
    images: tuple[ImageReference, ...]
    command_line: tuple[str, ...] = ()
    initial_snapshot: str = ""
    start: int = 0

    def spec(self, fetch: Callable[[ImageReference], bytes]) -> MachineSpec:
        """The machine to build, its images filled in.

        Args:
            fetch: gives the bytes of an image.

        Raises:
            RdbgError: the bytes are not those that were recorded.
        """
        if sum(reference.length for reference in self.images) > MOST_BYTES:
            raise RdbgError(f"the recorded images are larger than the {MOST_BYTES >> 20} MiB that images can have")
        images = []
        for reference in self.images:
            data = fetch(reference)
            if image_digest(data) != reference.digest:
                raise RdbgError(
                    f"{reference.path}: this {reference.role} image ({len(data)} bytes) is not the one that was "
                    f"recorded ({reference.length} bytes, digest {reference.digest.hex()[:16]}); give the original file"
                )
            images.append(Image(reference.role, reference.path, data))
        return replace(self.machine, images=tuple(images))


def describe(
    spec: MachineSpec,
    *,
    created: int,
    rdbg_version: str,
    command_line: tuple[str, ...] = (),
    initial_snapshot: str = "",
    start: int = 0,
) -> JournalHeader:
    """The header for a new recording of ``spec``, with a fresh recording id."""
    references = tuple(
        ImageReference(image.role, image.path, len(image.data), image_digest(image.data)) for image in spec.images
    )
    bare = tuple(Image(image.role, image.path, b"") for image in spec.images)
    return JournalHeader(
        recording_id=os.urandom(16),
        created=created,
        rdbg_version=rdbg_version,
        machine=replace(spec, images=bare),
        images=references,
        command_line=command_line,
        initial_snapshot=initial_snapshot,
        start=start,
    )
