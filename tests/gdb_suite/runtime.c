/* As much of a C library as GDB's test programs call. Nothing is printed: there is no inferior I/O on this board. */
typedef __SIZE_TYPE__ size_t;

extern char _heap[];
static char *next = _heap;

void __attribute__((noinline)) exit(int status)
{
    for (;;)
        __asm__ volatile("" : : "r"(status));
}

void __attribute__((noinline)) abort(void)
{
    exit(1);
}

void *malloc(size_t size)
{
    char *here = next;
    next += (size + 15) & ~(size_t)15;
    return here;
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size); /* memory is zero, and is never used again */
}

void free(void *memory)
{
    (void)memory;
}

void *memset(void *to, int value, size_t size)
{
    char *at = to;
    while (size--)
        *at++ = (char)value;
    return to;
}

void *memcpy(void *to, const void *from, size_t size)
{
    char *at = to;
    const char *source = from;
    while (size--)
        *at++ = *source++;
    return to;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

char *strcpy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return to;
}

int strcmp(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return (unsigned char)*one - (unsigned char)*other;
}

int atoi(const char *text)
{
    int value = 0;
    while (*text >= '0' && *text <= '9')
        value = 10 * value + *text++ - '0';
    return value;
}

int printf(const char *format, ...)
{
    (void)format;
    return 0;
}

int fprintf(void *file, const char *format, ...)
{
    (void)file;
    (void)format;
    return 0;
}

int fflush(void *file)
{
    (void)file;
    return 0;
}

int setvbuf(void *file, char *buffer, int mode, size_t size)
{
    (void)file;
    (void)buffer;
    (void)mode;
    (void)size;
    return 0;
}

int puts(const char *text)
{
    (void)text;
    return 0;
}

int putchar(int character)
{
    return character;
}

int getchar(void)
{
    return -1;
}

long read(int file, void *to, size_t size)
{
    (void)file;
    (void)to;
    (void)size;
    return 0;
}

long write(int file, const void *from, size_t size)
{
    (void)file;
    (void)from;
    return (long)size;
}

unsigned sleep(unsigned seconds)
{
    (void)seconds;
    return 0;
}
