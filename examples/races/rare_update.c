/*
 * A rare lost update: main adds to a counter every 2,000 instructions or so, and one alarm of the timer adds to it, too.
 * What fails: "LOST 1" on the serial port; else "PASSED". How rare: never with the timer as it is; if the moment of
 * the interrupt is moved at random by some thousand instructions, in one of 1,000 runs (at two places of 2,000).
 */

#include "race.h"

#define ROUNDS 8
#define NEVER 0x7fffffff
#define ALARM 6500 /* of Count: in the middle of the rounds */

static volatile u32 counter;
static volatile u32 alarms;

void exception(u32 cause)
{
    (void)cause;
    next_interrupt(NEVER);
    alarms++;
    counter++;
}

int main(void)
{
    u32 round;

    timer_start(ALARM);
    for (round = 0; round < ROUNDS; round++) {
        work(995);
        counter++;
    }
    while (!alarms)
        ;
    verdict("LOST", ROUNDS + alarms - counter);
}
