/*
 * A server with sessions. The timer closes sessions that are idle; log lines take memory from the same pool.
 *
 * It has a bug: main goes on to use a session that the timer has closed.
 */

#include "board.h"

#define BLOCKS 8
#define BLOCK_BYTES 32
#define TIMER_TICKS 20000

union block {
    union block *next;
    char bytes[BLOCK_BYTES];
};

struct session {
    u32 idle;
    void (*answer)(struct session *);
    u32 requests;
};

static union block pool[BLOCKS];
static union block *free_blocks;
static struct session *open_session;

static __attribute__((noinline)) void *allocate(void)
{
    union block *block = free_blocks;
    free_blocks = block->next;
    return block;
}

static __attribute__((noinline)) void release(void *memory)
{
    union block *block = memory;
    block->next = free_blocks;
    free_blocks = block;
}

static __attribute__((noinline)) void say_hello(struct session *session)
{
    session->requests = session->requests + 1;
    put_text("hello\n");
}

static __attribute__((noinline)) void close_idle(void)
{
    struct session *session = open_session;
    if (session && ++session->idle == 3) {
        release(session);
        open_session = 0;
    }
}

static __attribute__((noinline)) char *log_line(const char *text)
{
    char *line = allocate();
    for (u32 i = 0; i < BLOCK_BYTES && text[i]; i++)
        line[i] = text[i];
    return line;
}

void exception(u32 cause)
{
    if ((cause & 0x7c) == 0 && cause & 0x8000) {
        close_idle();
        timer_again();
        return;
    }
    put_text("exception, Cause ");
    put_hex(cause);
    put_text("\n");
    power_off();
}

int main(void)
{
    struct session *session;

    for (u32 i = 0; i < BLOCKS; i++)
        release(&pool[i]);
    session = allocate();
    session->idle = 0;
    session->answer = say_hello;
    session->requests = 0;
    open_session = session;
    timer_start(TIMER_TICKS);
    for (u32 round = 0;; round++) {
        u32 began = count();
        while (count() - began < TIMER_TICKS)
            ;
        if (round == 4)
            log_line("a line of the log");
        session->answer(session);
    }
}
