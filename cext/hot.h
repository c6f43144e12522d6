/* hot.h: what Cython can't say well. Here: hints to the compiler, words that threads share, time and memory; text and
 * sockets have headers of their own, which this one brings.
 */
#ifndef EDGE_HOT_H
#define EDGE_HOT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

#define EA_LIKELY(x) __builtin_expect(!!(x), 1)
#define EA_UNLIKELY(x) __builtin_expect(!!(x), 0)
/* A function that does nothing but fetch ahead is one without an effect to GCC, which leaves its calls out: so it has one. */
#define EA_PREFETCH(p) ({ __builtin_prefetch((p), 1, 3); __asm__ volatile(""); })
#define EA_COLD __attribute__((cold, noinline, unused))

/* The first of its kind stays. Kept out of the path that never takes it. */
EA_COLD static void ea_first(uint16_t *kept, int value)
{
    if (*kept == 0)
        *kept = (uint16_t)value;
}

#include "hash.h"
#include "scan.h"
#include "text.h"
#include "net.h"

/* ---- words ---- */

/* Sets a bit (0..63), and tells whether it was set already. */
static inline int ea_set_bit(uint64_t *word, int bit)
{
    int was;
#ifdef __x86_64__
    __asm__("btsq %q2, %0" : "+r"(*word), "=@ccc"(was) : "r"(bit));
#else
    was = (int)(*word >> bit & 1);
    *word |= 1ull << bit;
#endif
    return was;
}

/* Is one of `count` words (a multiple of four) no more than `reach` from `value`, and not 0? Four at a time. */
static inline int ea_near(const uint32_t *word, uint32_t count, uint32_t value, uint32_t reach)
{
    uint32_t hit = 0;
    for (uint32_t i = 0; i < count; i++)
        hit |= (word[i] - value + reach <= 2 * reach) & (word[i] != 0);
    return (int)hit;
}

/* memset to 0 by plain stores: what the compiler makes of a memset of this size takes longer to start than to run. */
static inline void ea_clear(void *start, size_t n)
{
    uint8_t *p = (uint8_t *)start, *end = p + (n & ~(size_t)63);
    for (; p < end; p += 64) {
        memset(p, 0, 64);
        __asm__ volatile("" : : "r"(p) : "memory"); /* else the loop becomes that memset */
    }
    memset(end, 0, n & 63);
}

/* ---- atomics ---- */

static inline uint64_t ea_get(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline uint64_t ea_get_relaxed(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }

/* Where `wanted` stands among `count` words that lie `step` words apart, from the given one on; `count`: nowhere. Others
 * may write there meanwhile, so whoever finds one looks again. An aligned word is never seen in part, as GCC makes these
 * loads. What is read after this was written before the word that was found. */
static inline int ea_find_word(const uint64_t *p, int from, int count, int step, uint64_t wanted)
{
    int i;
#pragma GCC unroll 8
    for (i = from; i < count; i++)
        if (p[i * step] == wanted)
            break;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return i;
}

static inline void ea_set(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
static inline void ea_set_relaxed(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELAXED); }
static inline int ea_swap(uint64_t *p, uint64_t old, uint64_t new_)
{
    return __atomic_compare_exchange_n(p, &old, new_, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
static inline void *ea_get_ptr(void *const *p) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
static inline void ea_set_ptr(void **p, void *v) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }
static inline void ea_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
/* Counters have one writer each; readers only need to see whole words. */
static inline void ea_count(uint64_t *p, uint64_t by) { __atomic_store_n(p, *p + by, __ATOMIC_RELAXED); }

/* ---- time and memory ---- */

static inline uint64_t ea_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static inline void ea_pause(long ns)
{
    struct timespec t = {0, ns};
    nanosleep(&t, 0);
}

/* The kernel rounds a thread's sleeps up by its slack, 50 us unless told otherwise. */
static inline void ea_exact_sleeps(void) { prctl(PR_SET_TIMERSLACK, 1000); }

/* Room for zeroed memory, of which ea_table_touch faults in what is used. */
static inline void *ea_table_reserve(size_t bytes)
{
    void *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 0 : p;
}

/* Faults in what isn't there yet, and changes nothing: others may write there meanwhile. A kernel before 5.14 leaves it
 * to the first use. False there. */
static inline int ea_table_touch(void *start, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    uint8_t *page = (uint8_t *)((uintptr_t)start & ~(uintptr_t)4095);
    return madvise(page, (size_t)((uint8_t *)start + bytes - page), MADV_POPULATE_WRITE) == 0;
#else
    (void)start, (void)bytes;
    return 0;
#endif
}

/* Zeroed memory, faulted in now so that a flood can't grow the process later. */
static inline void *ea_table_alloc(size_t bytes)
{
    void *p = ea_table_reserve(bytes);
#ifdef MADV_HUGEPAGE
    if (p)
        madvise(p, bytes, MADV_HUGEPAGE);
#endif
    if (p && !ea_table_touch(p, bytes))
        for (size_t i = 0; i < bytes; i += 4096)
            ((volatile uint8_t *)p)[i] = 0;
    return p;
}

/* calloc, but every page is there from the start. */
static inline void *ea_calloc_now(uint32_t count, size_t size)
{
    void *p = calloc(count, size);
    volatile uint8_t *touch = p;
    for (size_t i = 0; p && i < count * size; i += 4096)
        touch[i] = 0;
    if (p)
        touch[count * size - 1] = 0; /* it needn't begin where a page does */
    return p;
}

#endif
