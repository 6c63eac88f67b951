# One word written by all the ways that there are: kseg0, kseg1, two TLB mappings, a flash chip, a device register; and
# then nothing for ever. Built for both byte orders.
        .set    noreorder
        .set    noat
        .globl  __start, word, flash, by_kseg0, by_kseg1, by_tlb, by_byte, programmed, erased, sent, done

        .equ    word, 0x80200040
        .equ    flash, 0xbe080000

        .ent    __start
__start:
        mtc0    $zero, $5               # PageMask
        mtc0    $zero, $0               # Index 0: 0x00400000 and 0x00401000 both lead to physical 0x00200000
        li      $t0, 0x00400000
        mtc0    $t0, $10
        li      $t0, (0x200 << 6) | 7
        mtc0    $t0, $2
        mtc0    $t0, $3
        ehb
        tlbwi
        li      $s0, 0x80200000
        li      $s1, 0xa0200000
        li      $s2, 0x00400000
        li      $t1, 3
by_kseg0:
        sw      $t1, 0x40($s0)
        li      $t1, 4
by_kseg1:
        sw      $t1, 0x40($s1)
        li      $t1, 5
by_tlb: sw      $t1, 0x1040($s2)
        li      $t1, 0x66
by_byte:
        sb      $t1, 0x42($s2)
        nop
        li      $s3, flash
        li      $t1, 0x40               # program a word
        sw      $t1, 0($s3)
        li      $t1, 0x12345678
programmed:
        sw      $t1, 0($s3)
        li      $t1, 0x20               # erase the block; its first word is named by another in it
erased: sw      $t1, 0x100($s3)
        li      $t1, 0xd0
        sw      $t1, 0x100($s3)
        li      $t1, 0xff
        sw      $t1, 0($s3)
        li      $s4, 0xb80003f8
        li      $t1, 'A'
sent:   sb      $t1, 0($s4)
done:   nop
        b       done
        nop
        .end    __start
