"""Disks and CD-ROM drives on the IDE channels of the PIIX4."""
