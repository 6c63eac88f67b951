/* Asks the host for its arguments, echoes what is typed, and exits with 40 + the number of bytes that were typed. */
typedef unsigned int word;

static char buffer[256];
char typed[8];

static int call(word operation, word a, word b, word c)
{
    register word t9 __asm__("$25") = operation;
    register word a0 __asm__("$4") = a;
    register word a1 __asm__("$5") = b;
    register word a2 __asm__("$6") = c;
    register int v0 __asm__("$2");
    __asm__ volatile("sdbbp 1" : "=r"(v0) : "r"(t9), "r"(a0), "r"(a1), "r"(a2) : "$3", "memory");
    return v0;
}

static int length(const char *text)
{
    int n = 0;
    while (text[n])
        n++;
    return n;
}

static void print(int file, const char *text)
{
    call(5, file, (word)text, length(text));
}

static void print_number(const char *text, word value)
{
    char digits[8];
    int i;
    for (i = 7; i >= 0; i--, value >>= 4)
        digits[i] = "0123456789abcdef"[value & 15];
    print(1, text);
    call(5, 1, (word)digits, sizeof digits);
    print(1, "\n");
}

void leave(int code)
{
    call(1, code, 0, 0);
    for (;;)
        print(1, "after the end\n");
}

void __start(int calls_instead_of_arguments)
{
    int count, i, n, total = 0;
    __asm__ volatile("lui $sp, 0x8020");
    print(1, calls_instead_of_arguments == -1 ? "asks\n" : "does not ask\n");
    count = call(9, 0, 0, 0);
    for (i = 0; i < count; i++) {
        call(11, i, (word)buffer, 0);
        print(2, call(10, i, 0, 0) == length(buffer) ? buffer : "wrong length");
        print(2, "\n");
    }
    print_number("no argument has that number: ", call(10, count, 0, 0));
    print_number("a file cannot be opened: ", call(2, (word) "/nowhere/at/all", 0, 0));
    print_number("the console is file ", call(2, (word) "/dev/stdout", 1, 0));
    print_number("its status: ", call(8, 1, (word)buffer, 0));
    print_number("its mode: ", *(word *)(buffer + 4));
    print_number("nobody can go to its start: ", call(6, 1, 0, 0));
    print_number("logged: ", call(13, (word) "a line of a log\n", 0, 0));
    call(3, 2, 0, 0);
    print_number("closed: ", call(5, 2, (word) "x", 1));
    do {
        n = call(4, 0, (word)typed, sizeof typed);
        if (n <= 0)
            break;
        total += n;
        call(5, 1, (word)typed, n);
    } while (typed[n - 1] != 'q');
    print(1, "\n");
    leave(40 + total);
}
