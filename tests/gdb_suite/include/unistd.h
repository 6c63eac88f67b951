/* Of the runtime for GDB's test programs (runtime.c). */
#include <stddef.h>
long read(int file, void *to, size_t size);
long write(int file, const void *from, size_t size);
unsigned sleep(unsigned seconds);
