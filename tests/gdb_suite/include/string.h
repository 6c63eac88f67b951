/* Of the runtime for GDB's test programs (runtime.c). */
#ifndef STRING_H
#define STRING_H
#include <stddef.h>
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);
size_t strlen(const char *text);
char *strcpy(char *to, const char *from);
int strcmp(const char *one, const char *other);
#endif
