/* Of the runtime for GDB's test programs. */
#define alloca(size) __builtin_alloca(size)
