# The timer interrupts every PERIOD counts; a system call is counted and returned from.
        .set    noreorder
        .set    noat
        .globl  __start, handler, leave, call
        .ent    __start
__start:
        lui     $sp, 0x8020
        la      $t0, vectors
        mtc0    $t0, $15, 1                     # EBase
        mfc0    $t0, $9
        addiu   $t0, $t0, PERIOD
        mtc0    $t0, $11                        # Compare
        li      $t0, 0x8001                     # IM7, IE
        mtc0    $t0, $12
        ehb
call:   syscall
        la      $t9, begin
        jr      $t9
        nop
        .end    __start

        .align  12
vectors:
        .org    vectors + 0x180
handler:
        mfc0    $k0, $13
        andi    $k0, $k0, 0x7c
        beqz    $k0, tick
        mfc0    $k0, $14
        addiu   $k0, $k0, 4
        b       leave
        mtc0    $k0, $14
tick:   mtc0    $zero, $13                      # also the software interrupts
        mfc0    $k0, $11
        addiu   $k0, $k0, PERIOD
        mtc0    $k0, $11
        la      $k0, ticks
        lw      $k1, 0($k0)
        addiu   $k1, $k1, 1
        sw      $k1, 0($k0)
leave:  ehb
        eret
