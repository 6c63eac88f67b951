/*
 * A lost update: main and the timer's interrupt add to one counter, and main's load, add and store can be
 * interrupted. What fails: "LOST n" on the serial port, n of 100 interrupts. How rare: it fails in every run;
 * main does nothing but add, in straight-line code, so that two of three places in it are bad.
 */

#include "race.h"

#define INTERRUPTS 100
#define PERIOD 421 /* of Count */
#define NEVER 0x7fffffff

static volatile u32 counter;
static volatile u32 interrupts;

void exception(u32 cause)
{
    (void)cause;
    if (++interrupts < INTERRUPTS)
        timer_again();
    else
        next_interrupt(NEVER);
    counter++;
}

int main(void)
{
    u32 added = 0;

    timer_start(PERIOD);
    while (interrupts < INTERRUPTS) {
        counter++;
        counter++;
        counter++;
        counter++;
        counter++;
        counter++;
        counter++;
        counter++;
        added += 8;
    }
    verdict("LOST", added + interrupts - counter);
}
