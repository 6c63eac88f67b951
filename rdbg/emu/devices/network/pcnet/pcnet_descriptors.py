"""What the words of the Am79C973's descriptors say (its data sheet, chapter 'Descriptors')."""

# Status of both kinds of descriptors.
OWNED, FAILED, STARTS, ENDS = 0x8000, 0x4000, 0x0200, 0x0100
# Of receive descriptors.
OVERFLOW, CRC_WRONG, BUFFER_ERROR, PHYSICAL, HASHED, BROADCAST_MATCH = 0x1000, 0x0800, 0x0400, 0x0040, 0x0020, 0x0010
# Of transmit descriptors.
ADD_FCS, LAST_INTERRUPT = 0x2000, 0x1000
MISC_BUFFER, MISC_UNDERFLOW, MISC_NO_CARRIER = 0x8000_0000, 0x4000_0000, 0x0800_0000

COUNT_MASK, ONES = 0x0FFF, 0xF000  #: of a length or message: bytes, and bits that are all set or all clear
BUFFER_MAX = 4096
SWAPPED_STYLE = 3  #: the address is the third word, not the first
