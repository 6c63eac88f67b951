/*
 * A queue between the serial port's interrupt and main. Both change the number of bytes that wait in it, and main does
 * so with interrupts on. Type a line, or send one: printf 'all these bytes\n' | rdbg run ... -serial stdio
 * What fails: "STUCK n": n bytes of the line never come out of the queue; else "PASSED". How rare:
 * main needs some 1,000 instructions for a byte, and a byte that comes at two places of these is lost.
 */

#include "race.h"

#define SIZE 64
#define REGISTER8(address) (*(volatile u8 *)(address))
#define COM1 0xb80003f8u
#define PIC 0xb8000020u
#define PIC2 0xb80000a0u
#define SERIAL_LINE 4

static volatile u8 queue[SIZE];
static volatile u32 waiting;
static volatile u32 received;
static volatile u32 line_is_whole;

void exception(u32 cause)
{
    int byte;

    (void)cause;
    REGISTER8(PIC) = 0x0c; /* poll: the next read acknowledges the interrupt */
    (void)REGISTER8(PIC);
    while ((byte = get_char()) >= 0) {
        queue[received++ % SIZE] = byte;
        waiting++;
        if (byte == '\n' || byte == '\r')
            line_is_whole = 1;
    }
    REGISTER8(PIC) = 0x20; /* end of interrupt */
}

static void serial_interrupts_on(void)
{
    u32 status;

    REGISTER8(PIC) = 0x11; /* from the start: edges, two controllers, four words */
    REGISTER8(PIC + 1) = 0x20;
    REGISTER8(PIC + 1) = 0x04;
    REGISTER8(PIC + 1) = 0x01;
    REGISTER8(PIC2) = 0x11;
    REGISTER8(PIC2 + 1) = 0x28;
    REGISTER8(PIC2 + 1) = 0x02;
    REGISTER8(PIC2 + 1) = 0x01;
    REGISTER8(PIC2 + 1) = 0xff;
    REGISTER8(PIC + 1) = (u8)~(1 << SERIAL_LINE);
    REGISTER8(COM1 + 4) = 0x08; /* the port drives its line */
    REGISTER8(COM1 + 1) = 0x01; /* when a byte has come */
    __asm__ volatile("mfc0 %0, $12" : "=r"(status));
    status |= 0x0401; /* IM2, IE */
    __asm__ volatile("mtc0 %0, $12\n\tehb" : : "r"(status));
}

int main(void)
{
    u32 taken = 0, sum = 0;

    put_text("ready\n");
    serial_interrupts_on();
    while (!line_is_whole || waiting) {
        if (waiting) {
            sum = sum * 31 + queue[taken++ % SIZE];
            work(480); /* what it is all for */
            waiting--;
        }
    }
    verdict("STUCK", received - taken);
}
