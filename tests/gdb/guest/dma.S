# Memory written by a DMA device (tests/emu/dma_device.py): in a store, by its timer under a loop, by its timer while the
# CPU waits, twice at one moment; over code that was run; across pages; into the void. Then by a flash
# chip; and nothing for ever.
        .set    noreorder
        .set    noat
        .globl  __start, buffer, at_once, later, waits, patched, code, void, taken, erased, done

        .equ    buffer, 0x80200000

        .macro  dma     address, value, length, delay
        li      $t1, \address
        sw      $t1, 0($s0)
        li      $t1, \value
        sw      $t1, 4($s0)
        li      $t1, \length
        sw      $t1, 8($s0)
        li      $t1, \delay
        .endm

        .ent    __start
__start:
        li      $s0, 0xbb000000
        mtc0    $zero, $12              # no BEV: the handler stands at 0x80000180
        li      $t0, 0x80000180
        la      $t1, handler
        lw      $t2, 0($t1)
        sw      $t2, 0($t0)
        lw      $t2, 4($t1)
        sw      $t2, 4($t0)
        dma     0x00200000, 0x11, 4, 0
at_once:
        sw      $t1, 12($s0)
        dma     0x00200000, 0x22, 4, 100
        sw      $t1, 12($s0)
        li      $t2, 100
later:  bnez    $t2, later
        addiu   $t2, $t2, -1
        sw      $zero, 20($s0)
        dma     0x001ffffc, 0x33, 8, 0x40000000 + 1000
        sw      $t1, 12($s0)
        li      $t1, 0x0801             # IM3, IE
        mtc0    $t1, $12
        ehb
waits:  wait
        nop
        mtc0    $zero, $12
        li      $t3, 2
        li      $s1, 0
        la      $s2, code
        ext     $s2, $s2, 0, 29         # guest-physical
code:   addiu   $s1, $s1, 1             # becomes + 2
        addiu   $t3, $t3, -1
        dma     0, 0x26310002, 4, 0
        sw      $s2, 0($s0)
        bnez    $t3, code
patched:
        sw      $t1, 12($s0)
void:   dma     0x40000000, 0x44, 4, 0
        sw      $t1, 12($s0)
        dma     0x00200000, 0, 0, 0     # of no length: the load below has it read, and write nothing
taken:  lw      $t4, 16($s0)
        li      $s3, 0xbe080000
        li      $t1, 0x40               # program a word
        sw      $t1, 0($s3)
        li      $t1, 0x12345678
        sw      $t1, 0($s3)
        li      $t1, 0x20               # erase the block
erased: sw      $t1, 0x100($s3)
        li      $t1, 0xd0
        sw      $t1, 0x100($s3)
        li      $t1, 0xff
        sw      $t1, 0($s3)
done:   b       done
        nop
handler:
        sw      $zero, 20($s0)
        eret
        .end    __start
