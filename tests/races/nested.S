# Interrupts within interrupts, of the timer and of software, over code of all kinds: likely branches, slots, ll and sc on
# a word that handlers add to, floating point. TICKS of Count pass between two interrupts of the timer, or some more.
#
# An entry of the log, of each interrupt as it is entered, has 20 bytes: Cause, EPC, Count, how much of the stack is in
# use, a checksum of the stack and of registers.

        .set noreorder
        .set noat
        .equ    IE_CU, 0x30000000               # CU1, CU0
        .equ    ENTRIES, 1500

        .text
        .globl  _start, finish, log, log_bound, save
_start: li      $8, IE_CU
        mtc0    $8, $12
        lui     $8, 0x8000
        mtc0    $8, $15, 1                      # EBase
        mtc0    $0, $13
        ehb
        la      $9, 0xa0000180
        la      $10, vector
        .irp    n, 0, 4, 8
        lw      $8, \n($10)
        sw      $8, \n($9)
        .endr
        la      $28, shared
        settle_count_phase
        mtc0    $0, $9
        li      $8, 200
        mtc0    $8, $11
        li      $8, IE_CU + 0x8301              # IM7, IM1, IM0, IE
        mtc0    $8, $12
        lui     $20, 0x8080
        li      $21, 0
main:
1:      ll      $8, 0($28)
        addiu   $8, $8, 1
        sc      $8, 0($28)
        beqzl   $8, 1b
        addiu   $16, $16, 1
        mtc1    $8, $f2
        cvt.s.w $f4, $f2
        add.s   $f6, $f6, $f4
        mul.s   $f8, $f4, $f6
        c.lt.s  $f4, $f6
        bc1t    3f
        addiu   $17, $17, 1
        addiu   $17, $17, 5
3:      lw      $9, 4($20)
        addu    $9, $9, $8
        sw      $9, 8($20)
        lui     $10, 1
        addu    $20, $20, $10
        andi    $11, $21, 15
        bnezl   $11, 4f
        addiu   $21, $21, 1
        lui     $10, 0x00f0
        nor     $10, $10, $0
        and     $20, $20, $10
        lui     $10, 0x0080
        or      $20, $20, $10
        addiu   $21, $21, 1
4:      li      $10, 0x100
        andi    $11, $21, 3
        bnez    $11, 5f
        sltu    $12, $11, $21
        mtc0    $10, $13                        # IP0, at once
5:      jal     leaf
        sw      $31, 12($28)
        lw      $13, 16($28)
        addiu   $13, $13, 1
        sw      $13, 16($28)                    # updates that handlers make, too
        di
        lw      $13, 20($28)
        li      $10, 0x200
        andi    $11, $21, 7
        movz    $10, $0, $11
        mtc0    $10, $13
        addiu   $13, $13, 1
        sw      $13, 20($28)
        ei
        b       main
        mfc0    $18, $9

leaf:   mult    $8, $9
        mflo    $19
        jr      $31
        mfhi    $18

vector: j       handler
        nop
        nop

handler:
        la      $26, state
        lw      $27, 0($26)                     # the stack
        addiu   $27, $27, -64
        sw      $27, 0($26)
        sw      $1, 0($27)
        .irp    n, 8,9,10,11,12,13
        sw      $\n, 4*\n($27)
        .endr
        mfhi    $8
        mflo    $9
        mfc0    $10, $14
        mfc0    $11, $12
        sw      $8, 4($27)
        sw      $9, 8($27)
        sw      $10, 12($27)
        sw      $11, 16($27)
        mfc0    $12, $13
        lw      $9, 4($26)                      # the log
        sw      $12, 0($9)
        sw      $10, 4($9)
        mfc0    $13, $9
        sw      $13, 8($9)
        la      $10, stack_end
        subu    $13, $10, $27
        sw      $13, 12($9)
        move    $8, $0
        move    $13, $27
1:      lw      $11, 0($13)
        rotr    $8, $8, 27
        addiu   $13, $13, 4
        bne     $13, $10, 1b
        addu    $8, $8, $11
        .irp    n, 16,17,18,19,20,21
        rotr    $8, $8, 27
        addu    $8, $8, $\n
        .endr
        sw      $8, 16($9)
        addiu   $9, $9, 20
        sw      $9, 4($26)
        la      $10, log_bound
        sltu    $10, $9, $10
        beqz    $10, finish
        andi    $10, $12, 0x7c
        bnez    $10, finish
        lw      $8, 20($28)
        addiu   $8, $8, 1
        sw      $8, 20($28)
        srl     $10, $12, 15
        andi    $10, $10, 1
        li      $11, IE_CU + 0x8001             # within a software interrupt, the timer's
        beqz    $10, 2f
        nop
        mfc0    $8, $9
        andi    $10, $21, 31
        sll     $10, $10, 3
        addiu   $8, $8, TICKS
        addu    $8, $8, $10
        mtc0    $8, $11
        li      $11, IE_CU + 0x0301             # and within the timer's, those
2:      andi    $8, $12, 0x300
        beqz    $8, 3f
        nop
        mtc0    $0, $13
3:      lw      $8, 16($28)
        mtc0    $11, $12                        # EXL is off: from here on there may be another one
        addiu   $8, $8, 1
        sw      $8, 16($28)
        lw      $9, 24($28)
        addiu   $9, $9, 1
        sw      $9, 24($28)
        andi    $9, $9, 3
        bnezl   $9, 4f
        li      $9, 0
        li      $9, 0x200
4:      mtc0    $9, $13
        li      $10, 12
5:      ll      $8, 0($28)
        addiu   $8, $8, 1
        sc      $8, 0($28)
        beqzl   $8, 5b
        addiu   $10, $10, -1
        bgtz    $10, 5b
        addiu   $10, $10, -1
        di
        ehb
        la      $26, state
        lw      $27, 0($26)
        lw      $8, 4($27)
        lw      $9, 8($27)
        lw      $10, 12($27)
        lw      $11, 16($27)
        mthi    $8
        mtlo    $9
        mtc0    $11, $12                        # with EXL
        ehb
        mtc0    $10, $14
        lw      $1, 0($27)
        .irp    n, 8,9,10,11,12,13
        lw      $\n, 4*\n($27)
        .endr
        addiu   $27, $27, 64
        sw      $27, 0($26)
        ehb
        eret

finish: b       finish
        nop

        .data
        .balign 8
save:   .space  8
state:  .word   stack_end, log
shared: .space  64
        .balign 64
        .space  4096
stack_end:
        .space  64
log:    .space  20 * ENTRIES
log_bound:
