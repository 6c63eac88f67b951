/*
 * A program for Linux, without a C library: two threads add to one counter without a lock.
 * What fails: "LOST n" on its output and exit code 1; else "PASSED" and 0. How rare: the scheduler's tick changes
 * threads some ten times in a run, and a thread is at two bad places of 10,000: about one of 500 moments is bad.
 */

#define ROUNDS 300
#define NR_EXIT_GROUP 4246
#define NR_WRITE 4004
#define NR_CLONE 4120
#define NR_SCHED_YIELD 4162
#define CLONE_FLAGS 0x00010f00 /* VM, FS, FILES, SIGHAND, THREAD */

typedef unsigned int u32;

static volatile u32 counter;
static volatile u32 finished;
static u32 stack[4096] __attribute__((aligned(16)));

static long call(long number, long a, long b, long c)
{
    register long v0 __asm__("$2") = number;
    register long a0 __asm__("$4") = a;
    register long a1 __asm__("$5") = b;
    register long a2 __asm__("$6") = c;
    register long a3 __asm__("$7");

    __asm__ volatile("syscall"
                     : "+r"(v0), "=r"(a3)
                     : "r"(a0), "r"(a1), "r"(a2)
                     : "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo",
                       "memory");
    return a3 ? -v0 : v0;
}

static void __attribute__((noinline)) add(void)
{
    u32 round, turns;

    for (round = 0; round < ROUNDS; round++) {
        turns = 5000;
        __asm__ volatile(".set push\n\t.set noreorder\n1:\tbnez %0, 1b\n\taddiu %0, %0, -1\n\t.set pop" : "+r"(turns));
        counter++;
    }
}

static void __attribute__((used, noreturn)) second(void)
{
    add();
    finished = 1;
    for (;;)
        call(NR_SCHED_YIELD, 0, 0, 0);
}

/* The new thread goes on behind the system call on a stack of its own. */
static void start_second(void)
{
    register long v0 __asm__("$2") = NR_CLONE;
    register long a0 __asm__("$4") = CLONE_FLAGS;
    register long a1 __asm__("$5") = (long)(stack + 4096 - 64);
    register long a2 __asm__("$6") = 0;
    register long a3 __asm__("$7") = 0;

    /* The fifth argument is on the stack. */
    __asm__ volatile(".set push\n\t.set noreorder\n\taddiu $29, $29, -32\n\tsw $0, 16($29)\n\tsyscall\n\t"
                     "beqz $2, second\n\taddiu $29, $29, 32\n\t.set pop"
                     : "+r"(v0), "+r"(a3)
                     : "r"(a0), "r"(a1), "r"(a2)
                     : "$1", "$3", "$8", "$9", "$10", "$11", "$12", "$13", "$14", "$15", "$24", "$25", "hi", "lo",
                       "memory");
}

static void say(const char *text)
{
    u32 length = 0;

    while (text[length])
        length++;
    call(NR_WRITE, 1, (long)text, length);
}

void __attribute__((noreturn)) __start(void)
{
    char lost[16] = "LOST        \n";
    u32 missing, at = 11;

    say("ADDING\n");
    start_second();
    add();
    while (!finished)
        call(NR_SCHED_YIELD, 0, 0, 0);
    missing = 2 * ROUNDS - counter;
    for (u32 rest = missing; rest; rest /= 10)
        lost[at--] = '0' + rest % 10;
    say(missing ? lost : "PASSED\n");
    for (;;)
        call(NR_EXIT_GROUP, missing != 0, 0, 0);
}
