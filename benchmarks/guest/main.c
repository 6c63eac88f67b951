/* What the benchmarks run: a hot loop in rounds, and between them rare events at known places, for going back to. */
#include "board.h"

#define PAGE 4096
/* Alone on its page. */
#define OWN_PAGE __attribute__((noinline, aligned(PAGE), section(".text.own")))
/* On the page of the hot loop (see hot.S). */
#define HOT_PAGE __attribute__((noinline, section(".text.hotpage")))
#define OWN_DATA __attribute__((aligned(PAGE), section(".data.own")))
#define TIMER_TICKS 1000000u

/* Written into the ELF file for each length of run. */
volatile u32 rounds = 1000;
volatile u32 spins = 1000;
/* Malta's first serial port; mipssim's, where there is no power switch either. */
#define MALTA_UART 0xb80003f8u
volatile u32 uart = MALTA_UART;

struct own { volatile u32 value; u8 rest[PAGE - 4]; };
struct own OWN_DATA written_start, written_halfway, written_near, written_never;
/* Beside the words that the hot loop stores to. */
extern volatile u32 beside_halfway;

volatile u32 interrupts, after_print;

void hot(u32 count);

#define EVENT(where, name) void where name(void) { __asm__ volatile("" ::: "memory"); }
EVENT(OWN_PAGE, own_start)
EVENT(OWN_PAGE, own_halfway)
EVENT(OWN_PAGE, own_thousand)
EVENT(OWN_PAGE, own_never)
EVENT(HOT_PAGE, hot_start)
EVENT(HOT_PAGE, hot_halfway)
EVENT(HOT_PAGE, hot_thousand)
EVENT(HOT_PAGE, hot_never)
EVENT(OWN_PAGE, bench_end)

static void print(const char *text)
{
    volatile u8 *port = (volatile u8 *)uart;
    while (*text) {
        while (!(port[5] & 0x20))       /* transmitter empty */
            ;
        port[0] = *text++;
    }
}

OWN_PAGE void print_line(void)
{
    print("the last round begins\n");
}

void exception(u32 cause)
{
    if (cause & 0x7c)
        power_off();
    interrupts++;
    timer_again();
}

OWN_PAGE static void near_end(u32 round)
{
    written_near.value = round;
    print_line();
    after_print = round;                /* AFTER PRINT */
}

OWN_PAGE int main(void)
{
    u32 last = rounds;
#ifdef TIMER
    timer_start(TIMER_TICKS);
#endif
    for (u32 round = 0; round < last; round++) {
        own_thousand();
        hot_thousand();
        if (round == 0) {
            own_start();
            hot_start();
            written_start.value = 1;
        }
        if (round == last / 2) {
            own_halfway();
            hot_halfway();
            written_halfway.value = round;
            beside_halfway = round;
        }
        if (round == last - 1)
            near_end(round);
        hot(spins);
    }
    bench_end();
    hot(spins);                         /* QEMU's replay may not reach what comes right before the power-off */
    if (interrupts == 0xffffffff) {     /* never */
        own_never();
        hot_never();
        written_never.value = 1;
    }
    if (uart != MALTA_UART)
        for (;;)
            ;
    return 0;
}
