# Power-on of a guest without an operating system: stack, vectors, main, power-off.

        .set    noreorder
        .text
        .globl  _start
        .ent    _start
_start:
        la      $sp, stack_top
        la      $gp, _gp
        la      $t0, bss_start
        la      $t1, bss_end
1:      sltu    $t2, $t0, $t1
        beqz    $t2, 2f
        addiu   $t0, $t0, 4
        b       1b
        sw      $zero, -4($t0)
2:      la      $t0, general_vector         # to where a 24Kf jumps with Status.BEV = 0
        lui     $t1, 0xa000
        .irp    n, 0, 4, 8, 12
        lw      $t2, \n($t0)
        sw      $t2, 0x180+\n($t1)
        .endr
        mtc0    $zero, $13                  # Cause: interrupts come to the general vector
        li      $t0, 0x10000000             # Status: CU0, nothing masked in yet
        mtc0    $t0, $12
        ehb
        jal     main
        nop
        j       power_off
        nop
        .end    _start

general_vector:
        la      $k0, exception_entry
        jr      $k0
        nop

        .globl  exception_entry
        .ent    exception_entry
exception_entry:
        addiu   $sp, $sp, -96
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
        sw      $ra, 84($sp)
        mfhi    $t0
        mflo    $t1
        sw      $t0, 88($sp)
        sw      $t1, 92($sp)
        jal     exception
        mfc0    $a0, $13                    # Cause
        lw      $t0, 88($sp)
        lw      $t1, 92($sp)
        mthi    $t0
        mtlo    $t1
        lw      $ra, 84($sp)
        lw      $t9, 80($sp)
        lw      $t8, 76($sp)
        lw      $t7, 72($sp)
        lw      $t6, 68($sp)
        lw      $t5, 64($sp)
        lw      $t4, 60($sp)
        lw      $t3, 56($sp)
        lw      $t2, 52($sp)
        lw      $t1, 48($sp)
        lw      $t0, 44($sp)
        lw      $a3, 40($sp)
        lw      $a2, 36($sp)
        lw      $a1, 32($sp)
        lw      $a0, 28($sp)
        lw      $v1, 24($sp)
        lw      $v0, 20($sp)
        lw      $at, 16($sp)
        addiu   $sp, $sp, 96
        eret
        .end    exception_entry

        .section .stack, "aw", @nobits
        .balign 8
        .space  8192
stack_top:
