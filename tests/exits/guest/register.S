# Adds the numbers from 1 to 10, and ends the run by the bare machine's exit register with the sum: 55.
# Straight-line code follows the store: none of it is to run.
        .set    noreorder
        .globl  __start
        .ent    __start
__start:
        li      $t0, 10
        move    $t1, $zero
add:    addu    $t1, $t1, $t0
        addiu   $t0, $t0, -1
        bnez    $t0, add
        nop
        lui     $t2, 0xbf00
leave:  sw      $t1, 0x2000($t2)
after:  li      $t3, 1
        sw      $zero, 0x2000($t2)
stay:   nop
        b       stay
        nop
        .end    __start
