# The three hot loops; which one is assembled is said on the command line. Each turn stores, so that pages get dirty.

        .set    noreorder
        .section .text.hotpage, "ax"
        .globl  hot
        .globl  hot_loop
        .ent    hot

#if defined(ALU)
# 15 instructions a turn, with a load and a store.
hot:    la      $v0, hot_words
hot_loop:
        lw      $t1, 0($v0)
        addu    $t2, $t1, $a0
        xor     $t3, $t2, $t1
        sll     $t4, $t3, 3
        addu    $t5, $t4, $t2
        srl     $t6, $t5, 2
        or      $t7, $t6, $t5
        subu    $t8, $t7, $t1
        and     $t9, $t8, $t3
        nor     $v1, $t9, $t4
        addu    $t1, $t1, $v1
        sw      $t1, 4($v0)
        addiu   $a0, $a0, -1
        bnez    $a0, hot_loop
        nop
        jr      $ra
        nop

#elif defined(WALK)
# Through 32 MB, word by word, 8 instructions a turn; goes on where the last round ended.
hot:    la      $v0, hot_words
        lw      $t0, 0($v0)
        li      $t1, 0x82000000
        li      $t2, 0x01fffffc
hot_loop:
        addu    $t3, $t1, $t0
        lw      $t4, 0($t3)
        addiu   $t0, $t0, 4
        addu    $t4, $t4, $a0
        and     $t0, $t0, $t2
        addiu   $a0, $a0, -1
        bnez    $a0, hot_loop
        sw      $t4, 0($t3)
        jr      $ra
        sw      $t0, 0($v0)

#elif defined(CALLS)
# Calls two deep with a stack frame, 22 instructions a turn.
hot:    addiu   $sp, $sp, -24
        sw      $ra, 20($sp)
        la      $v0, hot_words
hot_loop:
        jal     middle
        addiu   $a0, $a0, -1
        bnez    $a0, hot_loop
        nop
        lw      $ra, 20($sp)
        jr      $ra
        addiu   $sp, $sp, 24
        .end    hot

        .ent    middle
middle: addiu   $sp, $sp, -24
        sw      $ra, 20($sp)
        jal     leaf
        addiu   $a1, $a0, 1
        jal     leaf
        addu    $a1, $a1, $v1
        lw      $ra, 20($sp)
        jr      $ra
        addiu   $sp, $sp, 24
        .end    middle

        .ent    leaf
leaf:   lw      $v1, 0($v0)
        addu    $v1, $v1, $a1
        jr      $ra
        sw      $v1, 0($v0)
        .end    leaf
        .ent    hot_tail
hot_tail:
        nop
        .end    hot_tail
#endif
#if !defined(CALLS)
        .end    hot
#endif

        .data
        .balign 4096
        .globl  hot_words
        .globl  beside_halfway
hot_words:
        .word   0, 0
        .space  1024
beside_halfway:
        .word   0
        .balign 4096
