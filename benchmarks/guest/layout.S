# A counter stored from the main loop and from the timer's interrupt. Its page is that of the code, as in a small image whose
# data begin where its code ends; with ALIGNED it is another. Runs for ever.

        .equ  PERIOD, 5000
        .set  noreorder
        .set  noat
        .text
        .globl _start, counter, never, ticks
_start: la    $t0, vector
        la    $t1, 0xa0000180
        li    $t2, 3
copy:   lw    $t3, 0($t0)
        sw    $t3, 0($t1)
        addiu $t0, $t0, 4
        addiu $t1, $t1, 4
        addiu $t2, $t2, -1
        bnez  $t2, copy
        nop
        la    $sp, 0x80200000
        mfc0  $t0, $9
        addiu $t0, $t0, PERIOD
        mtc0  $t0, $11
        li    $t0, 0x8001                # Status: the timer's interrupt, and IE
        mtc0  $t0, $12
        la    $s0, counter
main:   jal   work
        addiu $s1, $s1, 1
        lw    $t0, 0($s0)
        addiu $t0, $t0, 1
        sw    $t0, 0($s0)
        sw    $v0, 8($s0)
        b     main
        nop
work:   addiu $sp, $sp, -16
        sw    $a0, 0($sp)
        sll   $v0, $s1, 3
        xor   $v0, $v0, $s1
        lw    $a0, 0($sp)
        addu  $v0, $v0, $a0
        jr    $ra
        addiu $sp, $sp, 16
vector: j     irq
        nop
        nop
irq:    mfc0  $k0, $9
        addiu $k0, $k0, PERIOD
        mtc0  $k0, $11
        la    $k0, counter
        lw    $k1, 0($k0)
        addiu $k1, $k1, 1
        sw    $k1, 0($k0)
        lw    $k1, 16($k0)
        addiu $k1, $k1, 1
        sw    $k1, 16($k0)
        eret
.ifdef ALIGNED
        .balign 4096
.else
        .balign 16
.endif
counter: .word 0
never:  .word 0
result: .word 0
        .word 0
ticks:  .word 0
.ifdef ALIGNED
        .balign 4096
.endif
