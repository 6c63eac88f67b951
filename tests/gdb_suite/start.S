# Entry of GDB's test programs on the bare machine: stack, gp, floating point on, main, exit.
        .set    noreorder
        .globl  _start
        .ent    _start
_start: la      $gp, _gp
        la      $sp, _stack
        li      $t0, 0x20000000                 # CU1, kernel mode, interrupts off
        mtc0    $t0, $12
        ehb
        move    $a0, $zero
        move    $a1, $zero
        jal     main
        move    $a2, $zero
        move    $a0, $v0
        jal     exit
        nop
        .end    _start
