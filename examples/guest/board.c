#include "board.h"

#define REGISTER8(address) (*(volatile u8 *)(address))
#define REGISTER16(address) (*(volatile u16 *)(address))
#define REGISTER32(address) (*(volatile u32 *)(address))

#define ISA_PORTS 0xb8000000u   /* PCI I/O space, through kseg1 */
#define COM1 (ISA_PORTS + 0x3f8)
#define LINE_STATUS (COM1 + 5)
#define DATA_READY 0x01
#define TRANSMITTER_EMPTY 0x20

#define GT_CONFIG_ADDRESS 0xbbe00cf8u
#define GT_CONFIG_DATA 0xbbe00cfcu
#define PIIX4_POWER (0x80000000u | 10 << 11 | 3 << 8)   /* device 10, function 3 */
#define PM_BASE 0x1000u
#define SUSPEND_ENABLE 0x2000u

static u32 timer_ticks;

/* PCI is little endian; so are its bridge's registers. */
static u32 little32(u32 value)
{
#ifdef __MIPSEB__
    return __builtin_bswap32(value);
#else
    return value;
#endif
}

static u16 little16(u16 value)
{
#ifdef __MIPSEB__
    return __builtin_bswap16(value);
#else
    return value;
#endif
}

void put_char(char c)
{
    while (!(REGISTER8(LINE_STATUS) & TRANSMITTER_EMPTY))
        ;
    REGISTER8(COM1) = c;
}

void put_text(const char *text)
{
    while (*text) {
        if (*text == '\n')
            put_char('\r');
        put_char(*text++);
    }
}

void put_number(u32 value)
{
    if (value >= 10)
        put_number(value / 10);
    put_char('0' + value % 10);
}

void put_hex(u32 value)
{
    for (int shift = 28; shift >= 0; shift -= 4)
        put_char("0123456789abcdef"[value >> shift & 15]);
}

int get_char(void)
{
    return REGISTER8(LINE_STATUS) & DATA_READY ? REGISTER8(COM1) : -1;
}

static void set_compare(u32 value)
{
    __asm__ volatile("mtc0 %0, $11\n\tehb" : : "r"(value));
}

void timer_start(u32 ticks)
{
    u32 status;
    timer_ticks = ticks;
    set_compare(count() + ticks);
    __asm__ volatile("mfc0 %0, $12" : "=r"(status));
    status |= 0x8001; /* IM7, IE */
    __asm__ volatile("mtc0 %0, $12\n\tehb" : : "r"(status));
}

void timer_again(void)
{
    set_compare(count() + timer_ticks);
}

void power_off(void)
{
    REGISTER32(GT_CONFIG_ADDRESS) = little32(PIIX4_POWER | 0x40); /* where its registers are */
    REGISTER32(GT_CONFIG_DATA) = little32(PM_BASE | 1);
    REGISTER32(GT_CONFIG_ADDRESS) = little32(PIIX4_POWER | 0x80); /* that they are there */
    REGISTER32(GT_CONFIG_DATA) = little32(1);
    REGISTER16(ISA_PORTS + PM_BASE + 4) = little16(SUSPEND_ENABLE);
    for (;;)
        ;
}
