/* Of the runtime for GDB's test programs (runtime.c). */
#ifndef STDIO_H
#define STDIO_H
#include <stddef.h>
typedef struct file FILE;
#define stdin ((FILE *)3)
#define stdout ((FILE *)1)
#define stderr ((FILE *)2)
#define _IONBF 2
#define EOF (-1)
int printf(const char *format, ...);
int fprintf(FILE *file, const char *format, ...);
int puts(const char *text);
int getchar(void);
int putchar(int character);
int fflush(FILE *file);
int setvbuf(FILE *file, char *buffer, int mode, size_t size);
#endif
