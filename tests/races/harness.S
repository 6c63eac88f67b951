# Runs a program under the interrupt of Count and Compare, and keeps what each entry of the handler finds.
#
# The program begins at `program`, leaves k0 and k1 alone, and never ends. The table `periods` has the ticks of Count
# until each next interrupt: from the start for the first, then as the macro ARM says, with the period in k1; each of
# them ENTRIES times. At the end of the table, or at `finish`, all is done. With RESTARTS the program begins anew after
# each interrupt, as if it had never run.
# Of exceptions the instruction is skipped (with its branch, if it sat in a delay slot).
#
# An entry of the log has 36 bytes: Cause, EPC, Count, Status, `counter`, a checksum of the general registers and of
# HI and LO, Compare, a checksum of the exceptions so far, and with SUMS_MEMORY one of the scratch memory.

        .set noreorder
        .set noat

        .equ    BASE_STATUS, 0x10000000         # CU0
        .equ    EXL, 2
        .equ    COUNTER, 128                    # from `save`
        .equ    EXCEPTIONS, 132
        .equ    NEXT_PERIOD, 136
        .equ    LEFT, 140
        .equ    LOG_END, 144

        .macro  each_register instruction
        .irp    n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31
        \instruction $\n, 4*\n($26)
        .endr
        .endm

        .text
        .globl  _start, finish, program, handler, counter, log
_start:
        li      $8, BASE_STATUS
        mtc0    $8, $12
        lui     $8, 0x8000
        mtc0    $8, $15, 1                      # EBase
        mtc0    $0, $13
        ehb
        la      $9, 0xa0000000
        la      $10, vector
        .irp    place, 0x000, 0x180, 0x200
        .irp    n, 0, 4, 8
        lw      $8, \n($10)
        sw      $8, \place+\n($9)
        .endr
        .endr

restart:
        li      $8, SCRATCH_BYTES / 4
        la      $9, scratch
        lui     $10, 0x1234
1:      sw      $10, 0($9)
        addiu   $10, $10, 0x2357
        addiu   $8, $8, -1
        bnez    $8, 1b
        addiu   $9, $9, 4
        la      $26, save
        sw      $0, COUNTER($26)
        sw      $0, EXCEPTIONS($26)
        mtc0    $0, $13
        ehb
        settle_count_phase
        lw      $27, NEXT_PERIOD($26)
        lw      $27, 0($27)
        la      $8, program
        mtc0    $8, $14
        li      $8, PROGRAM_STATUS | EXL
        mtc0    $8, $12
        mthi    $0
        mtlo    $0
        la      $26, initial
        each_register lw
        la      $28, scratch
        mtc0    $0, $9                          # Count
        mtc0    $27, $11                        # Compare
        ehb
        eret

vector:
        j       handler
        nop
        nop

handler:
        la      $26, save
        each_register sw
        mfhi    $8
        sw      $8, 4*26($26)
        mflo    $8
        sw      $8, 4*27($26)
        mfc0    $10, $13
        andi    $11, $10, 0x7c
        bnez    $11, exception
        mfc0    $12, $14
        lw      $9, LOG_END($26)
        sw      $10, 0($9)
        sw      $12, 4($9)
        mfc0    $8, $9
        sw      $8, 8($9)
        mfc0    $8, $12
        sw      $8, 12($9)
        lw      $8, COUNTER($26)
        sw      $8, 16($9)
        li      $11, 31
        move    $12, $26
        move    $8, $0
1:      lw      $13, 4($12)
        rotr    $8, $8, 27
        addu    $8, $8, $13
        addiu   $11, $11, -1
        bnez    $11, 1b
        addiu   $12, $12, 4
        sw      $8, 20($9)
        mfc0    $8, $11
        sw      $8, 24($9)
        lw      $8, EXCEPTIONS($26)
        sw      $8, 28($9)
        move    $8, $0
        .if     SUMS_MEMORY
        la      $12, scratch
        addiu   $11, $12, SCRATCH_BYTES
1:      lw      $13, 0($12)
        addiu   $12, $12, 4
        rotr    $8, $8, 27
        bne     $12, $11, 1b
        addu    $8, $8, $13
        .endif
        sw      $8, 32($9)
        addiu   $9, $9, 36
        sw      $9, LOG_END($26)

        IN_HANDLER

        lw      $11, NEXT_PERIOD($26)
        lw      $8, LEFT($26)
        addiu   $8, $8, -1
        bnez    $8, 2f
        sw      $8, LEFT($26)
        li      $8, ENTRIES
        sw      $8, LEFT($26)
        addiu   $11, $11, 4
        sw      $11, NEXT_PERIOD($26)
2:      lw      $27, 0($11)
        beqz    $27, finish
        nop
        .if     RESTARTS
        j       restart
        nop
        .endif
        each_register lw
        ARM
        ehb
        eret

exception:
        lw      $8, EXCEPTIONS($26)
        rotr    $8, $8, 3
        addu    $8, $8, $12
        addu    $8, $8, $11
        sw      $8, EXCEPTIONS($26)
        bgez    $10, 3f
        addiu   $12, $12, 4
        addiu   $12, $12, 4
3:      mtc0    $12, $14
        each_register lw
        ehb
        eret

finish: b       finish
        nop

        .data
        .balign 8
save:   .space  128
counter: .word  0
        .word   0, periods, ENTRIES, log
