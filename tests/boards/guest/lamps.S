# Waits until a status register says that it is ready, starts what takes a while and acknowledges it, then blinks a lamp.
# Each press of the button interrupts it: it is counted. The third one ends the run with exit code 3.
        .set    noreorder
        .globl  __start
__start:
        lui     $s0, 0xbf00             # registers
        lui     $s1, 0xbf01             # pins
        li      $s2, 0                  # presses
        lui     $s3, 0x8020             # what is seen is kept here
ready:  lw      $t0, 0x4($s0)
        andi    $t0, $t0, 0x80
        beqz    $t0, ready
        nop
        li      $t0, 1
        sw      $t0, 0x8($s0)           # start
done:   lw      $t0, 0x4($s0)
        andi    $t0, $t0, 1
        beqz    $t0, done
        nop
        sw      $t0, 0x4($s0)           # acknowledge
        lw      $t0, 0xc($s0)           # cleared by looking
        lw      $t1, 0xc($s0)
        sw      $t0, 0($s3)
        sw      $t1, 4($s3)
        lbu     $t0, 0x10($s0)
        sw      $t0, 8($s3)
        li      $t0, 1
        sw      $t0, 0x8($s1)           # the lamp is an output
        li      $t0, 2
        sw      $t0, 0x18($s1)          # the button rising
        sw      $t0, 0x24($s1)
        li      $t0, 0x1001             # IM4 and IE; BEV and ERL off
        mtc0    $t0, $12
        ehb
blink:  li      $t0, 1
        sw      $t0, 0x14($s1)          # toggle
        li      $t1, 200
wait:   addiu   $t1, $t1, -1
        bnez    $t1, wait
        nop
        b       blink
        nop

        .org    0x180
handler:
        addiu   $s2, $s2, 1
        li      $k0, 2
        sw      $k0, 0x20($s1)          # acknowledge
pressed:
        sw      $s2, 0xc($s3)
        lw      $k0, 0x0($s0)           # a load of a constant
        li      $k1, 3
        bne     $s2, $k1, back
        nop
        li      $k1, 0x5555
        sw      $k1, 0x14($s0)          # end
        nop
back:   eret
        nop
