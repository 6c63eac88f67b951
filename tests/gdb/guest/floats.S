# Loads floating-point registers in both layouts: pairs (Status.FR=0, at "narrow"), then 32 of 64 bits (at "wide").
        .set    noreorder
        .set    oddspreg
        .globl  __start, narrow, wide
        .ent    __start
__start:
        lui     $t0, 0x2000                     # Status.CU1
        mtc0    $t0, $12
        ehb
        la      $t1, numbers
        ldc1    $f0, 0($t1)
        ldc1    $f2, 8($t1)
        ldc1    $f30, 16($t1)
        lwc1    $f12, 24($t1)
        lwc1    $f13, 28($t1)
narrow: nop
        lui     $t0, 0x2400                     # Status.CU1, FR
        mtc0    $t0, $12
        ehb
        .set    fp=64
        .set    oddspreg
        ldc1    $f0, 0($t1)
        ldc1    $f1, 8($t1)
        ldc1    $f31, 16($t1)
        add.d   $f3, $f1, $f31
        lwc1    $f13, 28($t1)
wide:   nop
1:      b       1b
        nop
        .end    __start

        .data
        .align  3
numbers: .double 1.5, -2.25, 1e100
        .float  0.5, -3
