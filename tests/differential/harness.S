# Runs the programs of a table one after another and keeps what each leaves behind.
#
# A program begins with the registers of its descriptor, ends with `j program_end`, and leaves k0 and k1 alone.
# $28 points at its scratch memory. Every exception is logged in the program's slot and the instruction skipped
# (with its branch, if it sat in a delay slot).
#
# Slot: 0x000 general registers, 0x080 HI, LO, FCSR, number of exceptions, 0x090 CP0 at the end, 0x0e0 the handler's own,
#       0x100 FPU registers, 0x200 sixteen exceptions of 32 bytes, 0x400 scratch memory of 1 KiB.

        .set noreorder
        .set noat

        .equ    DESCRIPTOR_SIZE, 16
        .equ    HANDLER_SAVE, 0xe0
        .equ    BASE_STATUS, 0x30000000         # CU1, CU0
        .equ    CAUSE_DC, 0x08000000            # Count stands still
        .equ    STATUS_FR_BIT, 26

        .text
        .globl  _start, program_end, finish
_start:
        li      $8, BASE_STATUS
        mtc0    $8, $12
        ehb
        la      $9, 0xa0000000
        la      $10, vector_refill
        jal     copy_vector
        nop
        la      $9, 0xa0000180
        la      $10, vector_general
        jal     copy_vector
        nop
        la      $9, 0xa0000200
        la      $10, vector_interrupt
        jal     copy_vector
        nop
        la      $8, table
        la      $9, current
        sw      $8, 0($9)

next_program:
        la      $26, current
        lw      $16, 0($26)
        lw      $17, 0($16)                     # entry
        lw      $27, 4($16)                     # slot
        lw      $18, 8($16)                     # Status
        lw      $19, 12($16)                    # initial registers
        beqz    $17, finish
        nop
        la      $26, entry
        sw      $17, 0($26)
        sw      $0, 0x8c($27)
        li      $8, BASE_STATUS
        mtc0    $8, $12
        li      $8, CAUSE_DC
        mtc0    $8, $13
        lui     $8, 0x8000
        mtc0    $8, $15, 1                      # EBase
        mtc0    $0, $5                          # PageMask
        mtc0    $0, $6                          # Wired
        mtc0    $0, $7                          # HWREna
        mtc0    $0, $4                          # Context
        mtc0    $0, $4, 2                       # UserLocal
        mtc0    $0, $14                         # EPC
        mtc0    $0, $12, 1                      # IntCtl
        mtc0    $0, $2
        mtc0    $0, $3
        ehb
        li      $9, 15                          # a TLB that maps nothing
        lui     $10, 0x8000
1:      mtc0    $10, $10
        mtc0    $9, $0
        ehb
        tlbwi
        addiu   $10, $10, 0x2000
        bgtz    $9, 1b
        addiu   $9, $9, -1
        mtc0    $0, $10
        mtc0    $0, $0                          # Index
        mtc0    $18, $12
        ehb

        sll     $8, $18, 31 - STATUS_FR_BIT
        bgez    $8, 2f
        addiu   $20, $19, 0x100
        .irp    n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31
        ldc1    $f\n, 8*\n($20)
        .endr
2:
        .irp    n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30
        ldc1    $f\n, 8*\n($20)
        .endr
        lw      $8, 0x88($19)
        ctc1    $8, $31
        lw      $8, 0x80($19)
        mthi    $8
        lw      $8, 0x84($19)
        mtlo    $8
        move    $26, $19
        .irp    n, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31
        lw      $\n, 4*\n($26)
        .endr
        addiu   $28, $27, 0x400
        la      $26, entry
        lw      $26, 0($26)
        jr      $26
        nop

program_end:
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,28,29,30,31
        sw      $\n, 4*\n($27)
        .endr
        mfhi    $8
        sw      $8, 0x80($27)
        mflo    $8
        sw      $8, 0x84($27)
        mfc0    $8, $12
        sw      $8, 0x90($27)
        mfc0    $8, $14
        sw      $8, 0x94($27)
        mfc0    $8, $8
        sw      $8, 0x98($27)
        mfc0    $8, $10
        sw      $8, 0x9c($27)
        mfc0    $8, $4
        sw      $8, 0xa0($27)
        mfc0    $8, $0
        sw      $8, 0xa4($27)
        mfc0    $8, $2
        sw      $8, 0xa8($27)
        mfc0    $8, $3
        sw      $8, 0xac($27)
        mfc0    $8, $5
        sw      $8, 0xb0($27)
        mfc0    $8, $6
        sw      $8, 0xb4($27)
        la      $26, current
        lw      $16, 0($26)
        lw      $18, 8($16)
        lui     $8, BASE_STATUS >> 16
        or      $18, $18, $8
        mtc0    $18, $12
        ehb
        cfc1    $8, $31
        sw      $8, 0x88($27)
        addiu   $16, $16, DESCRIPTOR_SIZE
        la      $26, current                    # without an FPU the handler has had k0
        sw      $16, 0($26)
        sll     $8, $18, 31 - STATUS_FR_BIT
        bgez    $8, 3f
        nop
        .irp    n, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31
        sdc1    $f\n, 0x100+8*\n($27)
        .endr
3:
        .irp    n, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30
        sdc1    $f\n, 0x100+8*\n($27)
        .endr
        j       next_program
        nop

finish:
        b       finish
        nop

copy_vector:
        .irp    n, 0,4,8,12
        lw      $8, \n($10)
        sw      $8, \n($9)
        .endr
        jr      $31
        nop

vector_refill:
        la      $26, handler
        jr      $26
        li      $26, 0x000
vector_general:
        la      $26, handler
        jr      $26
        li      $26, 0x180
vector_interrupt:
        la      $26, handler
        jr      $26
        li      $26, 0x200

handler:
        sw      $2, HANDLER_SAVE($27)
        sw      $3, HANDLER_SAVE+4($27)
        lw      $2, 0x8c($27)
        addiu   $3, $2, 1
        sw      $3, 0x8c($27)
        sltiu   $3, $2, 16
        beqz    $3, 4f
        sll     $2, $2, 5
        addu    $2, $2, $27
        sw      $26, 0x218($2)                  # vector
        mfc0    $3, $13
        sw      $3, 0x200($2)
        mfc0    $3, $14
        sw      $3, 0x204($2)
        mfc0    $3, $8
        sw      $3, 0x208($2)
        mfc0    $3, $12
        sw      $3, 0x20c($2)
        mfc0    $3, $10
        sw      $3, 0x210($2)
        mfc0    $3, $4
        sw      $3, 0x214($2)
4:      mfc0    $2, $13
        mfc0    $26, $14
        bgez    $2, 5f
        addiu   $26, $26, 4
        addiu   $26, $26, 4
5:      mtc0    $26, $14
        lw      $3, HANDLER_SAVE+4($27)
        lw      $2, HANDLER_SAVE($27)
        ehb
        eret

        .data
current: .word  0
entry:  .word   0
