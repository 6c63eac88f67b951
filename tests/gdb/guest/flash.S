# A program for flash memory: GDB's "load" has to erase and write more than one block of it.
        .set    noreorder
        .globl  __start, done
__start:
        lui     $v0, 0x1234
        ori     $v0, $v0, 0x5678
done:   b       done
        nop
        .space  0x11000, 0x5a
