/* Reads eight sectors of the first IDE disk, from 40 on, by bus-master DMA into two pieces of memory, twice; with WRITES
 * it makes the first piece and writes them, and resets the board. */
typedef unsigned int u32;
typedef unsigned char u8;

#define PORT(n) (*(volatile u8 *)(0xb8000000 + (n)))
#define PORT32(n) (*(volatile u32 *)(0xb8000000 + (n)))
#define GT(n) (*(volatile u32 *)(0xbbe00000 + (n)))
enum { MASTER = 0x1000, IDE = 0x80000000 | 10 << 11 | 1 << 8 };

/* 0x80300000 has 1,024 bytes, 0x80301000 the other 3,072. */
static u32 table[4] __attribute__((aligned(16))) = {0x300000, 1024, 0x301000, 0x80000000 | 3072};

static void configure(u32 at, u32 value)
{
    GT(0xcf8) = IDE | at;
    GT(0xcfc) = value;
}

#ifdef WRITES
enum { COMMAND = 0xca, DIRECTION = 0 };
#else
enum { COMMAND = 0xc8, DIRECTION = 8 };
#endif

void start(void)
{
#ifdef WRITES
    for (u32 n = 0; n < 256; n++)
        ((volatile u32 *)0xa0300000)[n] = n;
#endif
    configure(0x20, MASTER | 1);
    configure(0x04, 5);
    for (int i = 0; i < 2; i++) {
        *(volatile u32 *)0xa0301804 = 0;
        PORT32(MASTER + 4) = (u32)table & 0x1fffffff;
        PORT(0x1f6) = 0xe0;
        PORT(0x1f2) = 8;
        PORT(0x1f3) = 40;
        PORT(0x1f4) = 0;
        PORT(0x1f5) = 0;
        PORT(0x1f7) = COMMAND;
        PORT(MASTER) = DIRECTION | 1;
        while (PORT(0x1f7) & 0x80)
            ;
        PORT(MASTER) = DIRECTION;
    }
#ifdef WRITES
    *(volatile u32 *)0xbf000500 = 0x42;
#endif
    for (;;)
        ;
}
