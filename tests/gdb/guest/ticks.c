/* Three lines for ever, and a timer that interrupts them now and then. */
volatile unsigned one, two, three, ticks;

void begin(void)
{
    for (;;) {
        one++;
        two += 2;
        three += 3;
    }
}
