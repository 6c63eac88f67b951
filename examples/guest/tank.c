/*
 * The controller of a water tank. A timer interrupt measures the level and keeps the latest samples; the main loop
 * raises the alarm when the level is over the limit.
 *
 * It has a bug: the alarm comes although the level is well below 900.
 */

#include "board.h"

#define SAMPLES 8
#define TIMER_TICKS 100000

static struct {
    u32 samples[SAMPLES];
    u32 limit;
} tank = {.limit = 900};

static volatile u32 level = 300;
static volatile u32 taken;
static u32 next;
static u32 noise = 12345;

static u32 measure(void)
{
    noise = noise * 1103515245 + 12345;
    return 300 + taken * 3 + (noise >> 16) % 20;
}

static __attribute__((noinline)) void record_sample(u32 value)
{
    tank.samples[next] = value;
    next = next + 1;
    if (next > SAMPLES)
        next = 0;
}

static __attribute__((noinline)) void timer_interrupt(void)
{
    level = measure();
    record_sample(level);
    taken = taken + 1;
    timer_again();
}

void exception(u32 cause)
{
    if ((cause & 0x7c) == 0 && cause & 0x8000) {
        timer_interrupt();
        return;
    }
    put_text("unexpected exception, Cause ");
    put_hex(cause);
    put_text("\n");
    power_off();
}

static __attribute__((noinline)) void alarm(u32 measured, u32 limit)
{
    put_text("ALARM: level ");
    put_number(measured);
    put_text(" is over the limit of ");
    put_number(limit);
    put_text("\n");
}

int main(void)
{
    u32 shown = 0;

    put_text("tank controller: the limit is ");
    put_number(tank.limit);
    put_text("\n");
    timer_start(TIMER_TICKS);
    for (;;) {
        u32 now = taken;
        if (now != shown && now % 2 == 0) {
            shown = now;
            put_text("level ");
            put_number(level);
            put_text("\n");
        }
        if (level > tank.limit) {
            alarm(level, tank.limit);
            return 0;
        }
    }
}
