/* A daemon for Linux that collects the readings of sensors by UDP, and trusts them.

   A datagram is 'R', a sensor's number and its reading (4 bytes, little endian), or 'T': print the table. */

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 7007
#define SENSORS 8

struct sensor {
    uint32_t reading;
    uint32_t count;
};

static struct {
    const char *title;
    uint32_t datagrams;
    struct sensor sensors[SENSORS];
} table = {.title = "readings"};

static void take_reading(const unsigned char *datagram)
{
    signed char number = (signed char)datagram[1];
    uint32_t reading;

    memcpy(&reading, datagram + 2, sizeof reading);
    if (number < SENSORS) {
        table.sensors[number].reading = reading;
        table.sensors[number].count++;
    }
}

static void print_table(void)
{
    printf("%s after %u datagrams:", table.title, table.datagrams);
    for (int i = 0; i < SENSORS; i++)
        printf(" %u", table.sensors[i].reading);
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    unsigned char datagram[64];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int udp = socket(AF_INET, SOCK_DGRAM, 0);

    if (udp < 0 || bind(udp, (struct sockaddr *)&here, sizeof here) < 0) {
        perror("sensors");
        return 1;
    }
    printf("sensors: listening\n");
    fflush(stdout);
    for (;;) {
        ssize_t size = recv(udp, datagram, sizeof datagram, 0);
        if (size < 1)
            return 1;
        table.datagrams++;
        if (datagram[0] == 'R' && size == 6)
            take_reading(datagram);
        else if (datagram[0] == 'T')
            print_table();
    }
}
