/*
 * A missed wake-up: main looks whether the interrupt has come, and if not, waits for it. If it comes between the look
 * and the wait, main sleeps until the next interrupt, here the watchdog's, 0.1 s later.
 * What fails: "MISSED n" on the serial port; else "PASSED". How rare: never with the timer as it is; main's work of some
 * 2,000 instructions ends shortly before each of four interrupts, and of the places up to there three are bad: moved
 * at random by two thousand instructions, about one of 150 runs.
 */

#include "race.h"

#define ROUNDS 4
#define PERIOD 2600       /* of Count */
#define WATCHDOG 16000000 /* of Count */

static volatile u32 came;
static volatile u32 missed;

void exception(u32 cause)
{
    (void)cause;
    if (came)
        missed++;
    came = 1;
    next_interrupt(WATCHDOG);
}

int main(void)
{
    u32 round;

    for (round = 0; round < ROUNDS; round++) {
        came = 0;
        timer_start(PERIOD);
        work(1000);
        if (!came)
            __asm__ volatile("wait");
    }
    verdict("MISSED", missed);
}
