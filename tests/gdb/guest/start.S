        .set    noreorder
        .globl  __start
        .ent    __start
__start:
        lui     $sp, 0x8020
        la      $t9, begin
        jr      $t9
        nop
        .end    __start
