/* Firmware for board.toml: samples come by themselves, the heater is switched, keys are obeyed: + and - move the wanted
 * temperature, q ends the run. */

#define REGISTER(address) (*(volatile unsigned *)(0xbf000000 + (address)))
#define CONSOLE_DATA REGISTER(0x0)
#define CONSOLE_CONTROL REGISTER(0x8)
#define SENSOR_RING REGISTER(0x1000)
#define SENSOR_COUNT REGISTER(0x1004)
#define SENSOR_PERIOD REGISTER(0x1008)
#define SENSOR_DONE REGISTER(0x100c)
#define GPIO_DIRECTION REGISTER(0x2008)
#define GPIO_SET REGISTER(0x200c)
#define GPIO_CLEAR REGISTER(0x2010)
#define EXIT REGISTER(0x3000)

static volatile int ring[16];
static volatile int wanted = 22000;
static volatile unsigned samples;
static volatile char key;

static void print(const char *text)
{
    while (*text)
        CONSOLE_DATA = *text++;
}

static void print_degrees(int thousandths)
{
    char digits[12];
    int at = sizeof digits;

    digits[--at] = 0;
    for (int place = 0; thousandths || place < 4; place++) {
        if (place == 3)
            digits[--at] = '.';
        digits[--at] = '0' + thousandths % 10;
        thousandths /= 10;
    }
    print(digits + at);
}

void interrupt(void)
{
    if (SENSOR_DONE & 1) {
        SENSOR_DONE = 1;
        samples = SENSOR_COUNT;
    } else {
        key = CONSOLE_DATA;
    }
}

int main(void)
{
    unsigned seen = 0;

    print("thermostat\n");
    GPIO_DIRECTION = 1;
    SENSOR_RING = (unsigned)ring & 0x1fffffff;
    SENSOR_PERIOD = 200;
    CONSOLE_CONTROL = 1;
    __asm__ volatile("mtc0 %0, $12; ehb" ::"r"(0x0c01));
    while (seen < 40) {
        char pressed = key;

        if (pressed) {
            key = 0;
            if (pressed == 'q')
                break;
            wanted += pressed == '+' ? 1000 : -1000;
        }
        if (seen == samples)
            continue;
        int temperature = ring[seen++ % 16];
        print_degrees(temperature);
        print("\n");
        if (temperature < wanted)
            GPIO_SET = 1;
        else
            GPIO_CLEAR = 1;
    }
    print("bye\n");
    EXIT = 0;
    return 0;
}
