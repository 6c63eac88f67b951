/* Writes and reads sectors of the first IDE disk, by programmed I/O, as long as it runs.
 *
 * Round n reads sector r(n), writes sector w(n), which then begins with n and is otherwise n's pattern, and after each
 * eighth round flushes, then prints a line with n. So who reads the lines knows what the disk must have.
 */
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

#define PORT(n) (*(volatile u8 *)(0xb8000000 + (n)))
#define DATA (*(volatile u16 *)(0xb80001f0))
#define UART(n) PORT(0x3f8 + (n))
enum { COUNT = 0x1f2, LBA = 0x1f3, DRIVE = 0x1f6, STATUS = 0x1f7, COMMAND = 0x1f7 };
enum { READ = 0x20, WRITE = 0x30, FLUSH = 0xe7, BUSY = 0x80, WANTS = 0x08, ERROR = 0x01 };
#define SECTORS 2048

static u32 buffer[128];

static void put(char c)
{
    while (!(UART(5) & 0x20))
        ;
    UART(0) = c;
}

static void number(u32 n)
{
    for (int at = 28; at >= 0; at -= 4)
        put("0123456789abcdef"[n >> at & 15]);
}

static int command(u8 what, u32 sector)
{
    while (PORT(STATUS) & BUSY)
        ;
    PORT(DRIVE) = 0xe0;
    PORT(COUNT) = 1;
    PORT(LBA) = sector;
    PORT(LBA + 1) = sector >> 8;
    PORT(LBA + 2) = sector >> 16;
    PORT(COMMAND) = what;
    while (PORT(STATUS) & BUSY)
        ;
    if (PORT(STATUS) & ERROR) {
        put('!');
        number(sector);
        put('\n');
        return 0;
    }
    return PORT(STATUS) & WANTS;
}

void start(void)
{
    u32 sum = 0;
    asm volatile("li $sp, 0x80200000");
    for (u32 round = 1;; round++) {
        if (command(READ, round * 577 % SECTORS))
            for (int i = 0; i < 256; i++)
                sum = sum * 31 + DATA;
        for (int i = 0; i < 128; i++)
            buffer[i] = round * 2654435761u + i;
        buffer[0] = round;
        if (command(WRITE, round * 1103 % SECTORS))
            for (int i = 0; i < 256; i++)
                DATA = ((u16 *)buffer)[i];
        while (PORT(STATUS) & BUSY)
            ;
        if (round % 8 == 0) {
            command(FLUSH, 0);
            number(round);
            put(' ');
            number(sum);
            put('\n');
        }
    }
}
