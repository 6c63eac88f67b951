# A tick of Count is 6 ns and an instruction 8 ns, so of three instructions one sees two ticks pass. Where a run begins
# among the three differs between machines, and on QEMU from run to run: behind this it is the same. Uses $8 to $10.

        .macro  settle_count_phase
        .set    push
        .set    noreorder
        mfc0    $8, $9
        mfc0    $9, $9
        mfc0    $10, $9
        subu    $8, $9, $8
        subu    $9, $10, $9
        sltiu   $8, $8, 2
        sltiu   $9, $9, 2
        and     $9, $9, $8
        addu    $8, $8, $9
        sll     $8, $8, 2
        la      $9, 2f
        subu    $9, $9, $8
        jr      $9
        nop
        nop
        nop
2:
        .set    pop
        .endm
