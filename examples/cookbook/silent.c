/*
 * A timer interrupt takes samples; main prints them. Some are out of range and left out.
 *
 * It has a bug: after a while nothing more is printed, though nothing has crashed.
 */

#include "board.h"

#define TIMER_TICKS 20000
#define PATIENCE 100000

static volatile u32 taken;
static volatile u32 level;
static u32 sum;

static __attribute__((noinline)) u32 interrupts_off(void)
{
    u32 status;
    __asm__ volatile("mfc0 %0, $12\n\tdi\n\tehb" : "=r"(status));
    return status;
}

static __attribute__((noinline)) void interrupts_as_before(u32 status)
{
    __asm__ volatile("mtc0 %0, $12\n\tehb" : : "r"(status));
}

static __attribute__((noinline)) int add_sample(void)
{
    u32 before = interrupts_off();
    u32 sample = level;
    if (sample > 60)
        return 0;
    sum = sum + sample;
    interrupts_as_before(before);
    return 1;
}

void exception(u32 cause)
{
    if ((cause & 0x7c) == 0 && cause & 0x8000) {
        taken = taken + 1;
        level = taken * 9;
        timer_again();
        return;
    }
    power_off();
}

int main(void)
{
    u32 seen = 0;

    timer_start(TIMER_TICKS);
    for (u32 looked = 0; looked < PATIENCE; looked++) {
        if (taken == seen)
            continue;
        seen = taken;
        looked = 0;
        if (add_sample()) {
            put_text("sum ");
            put_number(sum);
            put_text("\n");
        }
    }
    return 0;
}
