# Twenty rounds of accesses of each width, aligned and not, to memory and to a device: what stop conditions are tried on.
        .set    noreorder
        .set    noat
        .globl  __start, round, store_byte, store_half, store_word, store_left, store_right
        .globl  load_byte, load_half, load_word, load_left, load_right, put, get, branch, slot, rest, area
        .ent    __start
__start:
        la      $s0, 0xb80003f8                 # Malta's first serial port
        la      $s1, area
        li      $s2, 0
        li      $s3, 20
round:  addiu   $s2, $s2, 1
store_byte:
        sb      $s2, 1($s1)
store_half:
        sh      $s2, 6($s1)
store_word:
        sw      $s2, 8($s1)
        addu    $t0, $s2, $s2
#if defined(__MIPSEB__)
store_left:
        swl     $t0, 21($s1)
store_right:
        swr     $t0, 24($s1)
#else
store_right:
        swr     $t0, 21($s1)
store_left:
        swl     $t0, 24($s1)
#endif
load_byte:
        lb      $t1, 1($s1)
load_half:
        lh      $t1, 6($s1)
load_word:
        lw      $t1, 8($s1)
#if defined(__MIPSEB__)
load_left:
        lwl     $t1, 21($s1)
load_right:
        lwr     $t1, 24($s1)
#else
load_right:
        lwr     $t1, 21($s1)
load_left:
        lwl     $t1, 24($s1)
#endif
put:    sb      $s2, 7($s0)                     # the scratch register
get:    lbu     $t2, 7($s0)
branch: bne     $s2, $s3, round
slot:   addiu   $t3, $s2, 100
rest:   b       rest
        nop
        .end    __start

        .data
        .align  6
area:   .space  64
