# Entry and exception vector: everything is an interrupt.
        .set    noreorder
        .globl  __start
__start:
        la      $sp, 0x80100000
        jal     main
        nop
        b       .
        nop

        .org    0x180
vector: addiu   $sp, $sp, -88
        .set    noat
        sw      $at, 16($sp)
        sw      $v0, 20($sp)
        sw      $v1, 24($sp)
        sw      $a0, 28($sp)
        sw      $a1, 32($sp)
        sw      $a2, 36($sp)
        sw      $a3, 40($sp)
        sw      $t0, 44($sp)
        sw      $t1, 48($sp)
        sw      $t2, 52($sp)
        sw      $t3, 56($sp)
        sw      $t4, 60($sp)
        sw      $t5, 64($sp)
        sw      $t6, 68($sp)
        sw      $t7, 72($sp)
        sw      $t8, 76($sp)
        sw      $t9, 80($sp)
        jal     interrupt
        sw      $ra, 84($sp)
        lw      $at, 16($sp)
        lw      $v0, 20($sp)
        lw      $v1, 24($sp)
        lw      $a0, 28($sp)
        lw      $a1, 32($sp)
        lw      $a2, 36($sp)
        lw      $a3, 40($sp)
        lw      $t0, 44($sp)
        lw      $t1, 48($sp)
        lw      $t2, 52($sp)
        lw      $t3, 56($sp)
        lw      $t4, 60($sp)
        lw      $t5, 64($sp)
        lw      $t6, 68($sp)
        lw      $t7, 72($sp)
        lw      $t8, 76($sp)
        lw      $t9, 80($sp)
        lw      $ra, 84($sp)
        addiu   $sp, $sp, 88
        eret
        nop
