/* Three lines for ever, and a timer that interrupts them now and then. */
volatile unsigned one, two, three, ticks, calls;

/* For GDB to call: makes an exception that the guest handles. */
int ask(int value)
{
    calls++;
    __asm__ volatile("syscall" : : : "memory");
    calls++;
    return value + 1;
}

int misread(void)
{
    int value = 3;
    calls++;
    __asm__ volatile("lw %0, 1($zero)" : "+r"(value)); /* an address error; the handler goes on behind it */
    calls++;
    return value;
}

void begin(void)
{
    for (;;) {
        one++;
        two += 2;
        three += 3;
    }
}
