# A guest that does everything that makes replay hard, forever, in an order that a random number decides:
# timer interrupts, the TLB, delay slots that fault, branch-likely, code that rewrites itself, traps, output, waiting.

        .set    noreorder
        .set    noat
        .set    mips32r2
        .globl  _start

        .text
_start: li      $sp, 0x80200000
        # Handlers: TLB refill at 0x80000000, the rest at 0x80000180.
        la      $t0, refill
        la      $t1, refill_end
        li      $t2, 0x80000000
1:      lw      $t3, 0($t0)
        addiu   $t0, $t0, 4
        sw      $t3, 0($t2)
        bne     $t0, $t1, 1b
        addiu   $t2, $t2, 4
        la      $t0, general
        la      $t1, general_end
        li      $t2, 0x80000180
1:      lw      $t3, 0($t0)
        addiu   $t0, $t0, 4
        sw      $t3, 0($t2)
        bne     $t0, $t1, 1b
        addiu   $t2, $t2, 4
        li      $t0, 0x80002000         # interrupts so far
        sw      $zero, 0($t0)
        mtc0    $zero, $12
        mtc0    $zero, $6               # Wired
        mtc0    $zero, $5               # PageMask
        mfc0    $t0, $9
        addiu   $t0, $t0, 500
        mtc0    $t0, $11
        li      $t0, 0x8001             # IM7, IE
        mtc0    $t0, $12
        ehb
        li      $s0, 12345
        li      $s1, 0

loop:   li      $t0, 1664525
        mul     $s0, $s0, $t0
        li      $t0, 1013904223
        addu    $s0, $s0, $t0
        addiu   $s1, $s1, 1
        srl     $t0, $s0, 28
        andi    $t0, $t0, 7
        sll     $t0, $t0, 2
        la      $t1, table
        addu    $t1, $t1, $t0
        lw      $t1, 0($t1)
        jalr    $t1
        srl     $a0, $s0, 8
        b       loop
        addu    $s2, $s2, $v0

        .org    0x1000
walk:   andi    $t0, $a0, 0xfffc        # 64 KB of stores
        li      $t1, 0x80300000
        addu    $t0, $t0, $t1
        li      $t2, 40
1:      sw      $a0, 0($t0)
        lhu     $t3, 2($t0)
        addiu   $t2, $t2, -1
        addu    $v0, $v0, $t3
        bnez    $t2, 1b
        addiu   $t0, $t0, 132
        jr      $ra
        sb      $v0, 1($t0)

slots:  andi    $t0, $a0, 0xff
        sll     $t0, $t0, 12
        lui     $t1, 0x0040
        addu    $t1, $t1, $t0           # a mapped page: misses often
        andi    $t2, $a0, 8
        bnez    $t2, 1f
        sw      $a0, 8($t1)             # TLB refill in a delay slot
        addiu   $v0, $v0, 1
1:      bal     2f
        lw      $v1, 8($t1)
        jr      $s7
        xor     $v0, $v0, $v1
2:      move    $t9, $ra
        jr      $t9
        move    $s7, $s6

likely: li      $t0, 9
1:      addiu   $t0, $t0, -1
        srlv    $t1, $a0, $t0
        andi    $t1, $t1, 1
        beql    $t1, $zero, 2f
        addiu   $v0, $v0, 3
        bnel    $t1, $zero, 2f
        addiu   $v0, $v0, 5
2:      bgtzl   $t0, 1b
        xor     $v0, $v0, $t0
        jr      $ra
        nop

        .org    0x2000
calls:  syscall
        addiu   $v0, $v0, 1
        teq     $zero, $zero
        li      $t0, 0x7fffffff
        add     $t0, $t0, $t0           # overflow
        lui     $t1, 0x8030
        lw      $t2, 2($t1)             # address error
        break
        jr      $ra
        addu    $v0, $v0, $t2

        .org    0x3000
modify: la      $t0, 1f
        andi    $t1, $a0, 0x7ff
        lui     $t2, 0x2442             # addiu v0, v0, ...
        or      $t1, $t1, $t2
        sw      $t1, 0($t0)
        cache   0x15, 0($t0)
        sync
        cache   0x10, 0($t0)
        jr.hb   $t0
        nop
1:      addiu   $v0, $v0, 0
        jr      $ra
        nop

        .org    0x4000
print:  lui     $t1, 0xb800
1:      lbu     $t0, 0x3fd($t1)         # line status: wait until the transmitter is empty
        andi    $t0, $t0, 0x20
        beqz    $t0, 1b
        andi    $t2, $s0, 15
        addiu   $t2, $t2, 'a'
        sb      $t2, 0x3f8($t1)
        lbu     $t0, 0x3fd($t1)
        andi    $t0, $t0, 1
        beqz    $t0, 2f
        nop
        lbu     $t0, 0x3f8($t1)         # a byte came: it changes everything that follows
        xor     $s0, $s0, $t0
        sb      $t0, 0x3f8($t1)
2:      jr      $ra
        addu    $v0, $v0, $t2

doze:   andi    $t0, $a0, 7
        bnez    $t0, 1f
        nop
        wait
1:      jr      $ra
        addiu   $v0, $v0, 1

rest:   mult    $a0, $s1
        mflo    $t0
        mfhi    $t1
        ins     $v0, $t0, 3, 9
        jr      $ra
        wsbh    $v0, $v0

slot_call:
        move    $s6, $ra
        la      $t0, slots
        jr      $t0
        nop

refill: mfc0    $k0, $8                 # a virtual page is the physical page of the same number
        srl     $k0, $k0, 13
        sll     $k0, $k0, 7
        ori     $k1, $k0, 0x1f          # cached, dirty, valid, global
        mtc0    $k1, $2
        addiu   $k1, $k1, 64
        mtc0    $k1, $3
        ehb
        tlbwr
        eret
refill_end:

general:
        mfc0    $k0, $13
        andi    $k0, $k0, 0x7c
        beqz    $k0, 1f
        nop
        mfc0    $k0, $14                # a trap: go on behind it
        addiu   $k0, $k0, 4
        mtc0    $k0, $14
        ehb
        eret
1:      mfc0    $k0, $9                 # the timer
        addiu   $k0, $k0, 700
        mtc0    $k0, $11
        lui     $k0, 0x8000
        lw      $k1, 0x2000($k0)
        addiu   $k1, $k1, 1
        sw      $k1, 0x2000($k0)
        ehb
        eret
general_end:

        .data
table:  .word   walk, slot_call, likely, calls, modify, print, doze, rest
