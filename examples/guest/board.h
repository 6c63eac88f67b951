/* What the guests use of a Malta board: the first serial port, the CPU's timer, the power switch. */

#ifndef BOARD_H
#define BOARD_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

void put_char(char c);
void put_text(const char *text);
void put_number(u32 value);
void put_hex(u32 value);
int get_char(void); /* -1: nothing has come */
void timer_start(u32 ticks);
void timer_again(void);
void power_off(void) __attribute__((noreturn));

/* Called with Cause at every exception and interrupt. */
void exception(u32 cause);

static inline u32 count(void)
{
    u32 value;
    __asm__ volatile("mfc0 %0, $9" : "=r"(value));
    return value;
}

#endif
