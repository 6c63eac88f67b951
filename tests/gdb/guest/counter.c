/* What the GDB tests look at: a counter, a function called many times, a variable written now and then. */
volatile unsigned count;
volatile int last;

void __attribute__((noinline)) note(int value) { last = value; }

int __attribute__((noinline)) work(int rounds)
{
    int i;
    for (i = 0; i < rounds; i++) {
        count += 2;
        if (i % 10 == 3)
            note(i);
    }
    return last;
}

void begin(void)
{
    work(100);
    for (;;)
        count++;
}
