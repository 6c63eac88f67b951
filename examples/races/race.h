/* What the guests with races share: the timer once, work, and one line that says whether the race struck. */

#ifndef RACE_H
#define RACE_H

#include "board.h"

/* "PASSED", or what went wrong and how often. */
static inline void __attribute__((noreturn)) verdict(const char *failure, u32 times)
{
    if (times) {
        put_text(failure);
        put_text(" ");
        put_number(times);
        put_text("\n");
    } else {
        put_text("PASSED\n");
    }
    power_off();
}

/* The timer's next interrupt comes in so many ticks of Count, instead of any before. */
static inline void next_interrupt(u32 ticks)
{
    __asm__ volatile("mtc0 %0, $11\n\tehb" : : "r"(count() + ticks));
}

/* Keep the CPU busy for some 2 * turns instructions. */
static inline void work(u32 turns)
{
    __asm__ volatile(".set push\n\t.set noreorder\n1:\tbnez %0, 1b\n\taddiu %0, %0, -1\n\t.set pop" : "+r"(turns));
}

#endif
