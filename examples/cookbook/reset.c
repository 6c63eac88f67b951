/*
 * Sends jobs in chunks, under a watchdog that resets the board when it was not fed for three ticks of the timer.
 *
 * It has a bug: a job whose length is no multiple of the chunk never ends.
 */

#include "board.h"

#define TIMER_TICKS 20000
#define CHUNK 8
#define BOARD_RESET (*(volatile u32 *)0xbf000500u)

static struct {
    u32 number;
    volatile u32 left;
} job;

static volatile u32 hungry;

static __attribute__((noinline)) void watchdog(void)
{
    hungry = hungry + 1;
    if (hungry == 3)
        BOARD_RESET = 0x42;
}

void exception(u32 cause)
{
    if ((cause & 0x7c) == 0 && cause & 0x8000) {
        watchdog();
        timer_again();
        return;
    }
    power_off();
}

static __attribute__((noinline)) void send(u32 bytes)
{
    job.number = job.number + 1;
    job.left = bytes;
    put_text("job ");
    put_number(job.number);
    put_text("\n");
    while (job.left)
        job.left = job.left - CHUNK;
    hungry = 0;
}

int main(void)
{
    static const u32 lengths[] = {64, 4096, 800, 100, 32};

    put_text("reset and ready\n");
    timer_start(TIMER_TICKS);
    for (u32 i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        send(lengths[i]);
    return 0;
}
