# Runs a program in user mode that exits with 7 by a call of the host. Where user mode may not call, the exception
# handler calls: the exit code is then 64 + Cause.ExcCode.
        .set    noreorder
        .globl  __start
        .ent    __start
__start:
        lui     $sp, 0x8020
        la      $t0, handler
        lui     $t1, 0x8000
        li      $t2, 16
copy:   lw      $t3, 0($t0)
        sw      $t3, 0x180($t1)
        addiu   $t0, $t0, 4
        addiu   $t2, $t2, -1
        bnez    $t2, copy
        addiu   $t1, $t1, 4
        mtc0    $zero, $0               # the page of `program`, at 0x400000
        mtc0    $zero, $5
        lui     $t0, 0x0040
        mtc0    $t0, $10
        la      $t0, program
        sll     $t0, $t0, 3
        srl     $t0, $t0, 15
        sll     $t0, $t0, 6
        ori     $t0, $t0, 0x1f
        mtc0    $t0, $2
        mtc0    $t0, $3
        ehb
        tlbwi
        li      $t0, 0x12               # user mode behind EXL
        mtc0    $t0, $12
        lui     $t0, 0x0040
        mtc0    $t0, $14
        ehb
        eret
        .end    __start

handler:
        mfc0    $a0, $13
        srl     $a0, $a0, 2
        andi    $a0, $a0, 31
        addiu   $a0, $a0, 64
        li      $t9, 1
        sdbbp   1
        nop
        nop
        nop
        nop
        nop
        nop
        nop
        nop
        nop
        nop

        .balign 4096
program:
        li      $t9, 1
        li      $a0, 7
        sdbbp   1
        nop
        .balign 4096
