/* hash.h: keyed hashes over words and texts: AES-CMAC, and the sums that it is put over.
 *
 * It knows nothing of SIP, keeps no state but a table, and never allocates. A text may
 * be read up to 16 bytes behind its end; what stands there has no say.
 */
#ifndef EDGE_HASH_H
#define EDGE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __x86_64__
#pragma GCC target("aes") /* for those who ask for it: the compiler makes none of it by itself */
#include <wmmintrin.h>
#endif

static inline uint64_t ea_load64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

static inline uint32_t ea_load32(const uint8_t *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}

static inline uint16_t ea_load16(const uint8_t *p)
{
    uint16_t x;
    memcpy(&x, p, 2);
    return x;
}

/* What stays of a word that holds n bytes. */
static const uint64_t ea_kept[9] = {
    0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff, ~0ull,
};

/* The first n (0..8) bytes, the rest of the word 0. Reads 8. */
__attribute__((no_sanitize("address")))
static inline uint64_t ea_load_part(const uint8_t *p, uint32_t n)
{
    return ea_load64(p) & ea_kept[n];
}

/* ---- AES-CMAC (FIPS 197; NIST SP 800-38B, RFC 4493) ----
 *
 * What leaves the process and what keys its tables. Input is a sequence of whole
 * blocks of 16 bytes: two words, or a text, of which the last block is filled up with
 * zeros. How long a text is stands in a word before it, so two different inputs never
 * give the same blocks. An x86-64 server's processor enciphers a block in ten
 * instructions; without them it is done byte by byte, the same and slowly, and the time
 * of a table's cache lines may tell a neighbour on the same host of the key.
 */

/* The same as __m128i, and with ^ on every machine. */
typedef long long EaBlock __attribute__((vector_size(16), may_alias));

enum { EA_AES_ROUNDS = 10 };

typedef struct {
    EaBlock round[EA_AES_ROUNDS + 1];
    EaBlock last; /* goes into the last block: K1 */
} EaMacKey;

typedef struct {
    const EaMacKey *key;
    EaBlock block; /* not enciphered yet: it may be the last */
} EaMac;

static uint8_t ea_aes_box[256];
static int ea_aes_fast; /* the processor has AES */

/* Times x in AES's field. */
static inline uint8_t ea_aes_twice(uint8_t a)
{
    return (uint8_t)(a << 1 ^ (a >> 7) * 0x1b);
}

static void ea_hash_init(void)
{
    uint8_t a = 1, inverse = 1; /* 3 makes the whole field, so its powers and those of its inverse meet all pairs */
    do {
        a ^= ea_aes_twice(a);
        inverse ^= (uint8_t)(inverse << 1);
        inverse ^= (uint8_t)(inverse << 2);
        inverse ^= (uint8_t)(inverse << 4);
        inverse ^= (inverse >> 7) * 0x09;
        uint8_t x = inverse;
        for (int turn = 1; turn < 5; turn++)
            x ^= (uint8_t)(inverse << turn | inverse >> (8 - turn));
        ea_aes_box[a] = x ^ 0x63;
    } while (a != 1);
    ea_aes_box[0] = 0x63;
#ifdef __x86_64__
    ea_aes_fast = __builtin_cpu_supports("aes");
#endif
}

static EaBlock ea_aes_slow(const EaMacKey *key, EaBlock block)
{
    uint8_t s[16], t[16];
    block ^= key->round[0];
    for (int round = 1; round <= EA_AES_ROUNDS; round++) {
        memcpy(t, &block, 16);
        for (int i = 0; i < 16; i++)
            s[i] = ea_aes_box[t[(i + 4 * (i & 3)) & 15]];
        for (int i = 0; round < EA_AES_ROUNDS && i < 16; i += 4) {
            uint8_t first = s[i], all = s[i] ^ s[i + 1] ^ s[i + 2] ^ s[i + 3];
            for (int k = 0; k < 4; k++)
                s[i + k] ^= all ^ ea_aes_twice(s[i + k] ^ (k < 3 ? s[i + k + 1] : first));
        }
        memcpy(&block, s, 16);
        block ^= key->round[round];
    }
    return block;
}

static inline EaBlock ea_aes(const EaMacKey *key, EaBlock block)
{
#ifdef __x86_64__
    if (__builtin_expect(ea_aes_fast, 1)) {
        block ^= key->round[0];
        for (int round = 1; round < EA_AES_ROUNDS; round++)
            block = _mm_aesenc_si128(block, key->round[round]);
        return _mm_aesenclast_si128(block, key->round[EA_AES_ROUNDS]);
    }
#endif
    return ea_aes_slow(key, block);
}

/* The key of 16 bytes as it is used (FIPS 197 §5.2, RFC 4493 §2.3). */
static void ea_mac_key(EaMacKey *key, const uint8_t *secret)
{
    uint8_t w[16 * (EA_AES_ROUNDS + 1)], constant = 1;
    memcpy(w, secret, 16);
    for (size_t i = 16; i < sizeof w; i += 4) {
        uint8_t t[4] = {w[i - 4], w[i - 3], w[i - 2], w[i - 1]};
        if (i % 16 == 0) {
            uint8_t first = t[0];
            t[0] = ea_aes_box[t[1]] ^ constant;
            t[1] = ea_aes_box[t[2]];
            t[2] = ea_aes_box[t[3]];
            t[3] = ea_aes_box[first];
            constant = ea_aes_twice(constant);
        }
        for (int k = 0; k < 4; k++)
            w[i + k] = w[i - 16 + k] ^ t[k];
    }
    memcpy(key->round, w, sizeof w);
    EaBlock zero = ea_aes(key, (EaBlock){0, 0});
    memcpy(w, &zero, 16);
    uint8_t carry = (w[0] >> 7) * 0x87;
    for (int i = 0; i < 16; i++)
        w[i] = (uint8_t)(w[i] << 1 | (i < 15 ? w[i + 1] >> 7 : 0));
    w[15] ^= carry;
    memcpy(&key->last, w, 16);
}

static inline void ea_mac_start(EaMac *m, const EaMacKey *key, uint64_t a, uint64_t b)
{
    m->key = key;
    m->block = (EaBlock){(long long)a, (long long)b};
}

static inline void ea_mac_pair(EaMac *m, uint64_t a, uint64_t b)
{
    m->block = ea_aes(m->key, m->block) ^ (EaBlock){(long long)a, (long long)b};
}

/* Of a text of no bytes no block comes. */
__attribute__((no_sanitize("address")))
static inline void ea_mac_text(EaMac *m, const uint8_t *p, uint32_t n)
{
    static const uint8_t kept[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    EaBlock block, mask;
    for (; n > 16; n -= 16, p += 16) {
        memcpy(&block, p, 16);
        m->block = ea_aes(m->key, m->block) ^ block;
    }
    if (n) {
        memcpy(&block, p, 16);
        memcpy(&mask, kept + 16 - n, 16);
        m->block = ea_aes(m->key, m->block) ^ (block & mask);
    }
}

/* Ends the sequence. Its first half; *high, where given, becomes the other one. */
static inline uint64_t ea_mac_end(EaMac *m, uint64_t *high)
{
    EaBlock block = ea_aes(m->key, m->block ^ m->key->last);
    if (high)
        *high = (uint64_t)block[1];
    return (uint64_t)block[0];
}

static inline uint64_t ea_mac_words(const EaMacKey *key, uint64_t a, uint64_t b)
{
    EaMac m;
    ea_mac_start(&m, key, a, b);
    return ea_mac_end(&m, 0);
}

/* ---- sums: NH (Black, Halevi, Krawczyk, Krovetz, Rogaway 1999; in UMAC, RFC 4418) ----
 *
 * Each word of the input is added to a word of a secret key, the two of a pair are
 * multiplied, the products are summed up to 128 bits. Whoever neither knows the key
 * nor sees a sum finds two inputs of one sum with a chance of 2^-63 a try, however
 * they are chosen: no better than guessing a hash of 64 bits. So a sum is never
 * shown and never compared: one block of AES-CMAC is put over it, and what comes out
 * is as good a hash of 64 bits as AES-CMAC over the whole input, at a third of the work.
 *
 * A slice is its length and tag in one word, then words, the last one filled up
 * with zeros, and one more word of zeros where they don't come out in pairs.
 */

enum {
    /* A whole datagram, and three words more for each of its rows. */
    EA_SUM_PAIRS = (65536 + 256 * 24) / 16
};

typedef struct {
    uint64_t word[2];
} EaSumKey;

typedef struct {
    const EaSumKey *key, *end;
    uint64_t low, high;
} EaSum;

static inline void ea_sum_init(EaSum *s, const EaSumKey *key)
{
    s->key = key;
    s->end = key + EA_SUM_PAIRS;
    s->low = s->high = 0;
}

__extension__ typedef unsigned __int128 EaProduct;

static inline EaProduct ea_sum_product(const EaSumKey *key, uint64_t a, uint64_t b)
{
    return (EaProduct)(a + key->word[0]) * (b + key->word[1]);
}

static inline void ea_sum_add(EaSum *s, EaProduct sum)
{
    sum += s->low | (EaProduct)s->high << 64;
    s->low = (uint64_t)sum;
    s->high = (uint64_t)(sum >> 64);
}

static inline void ea_sum_pair(EaSum *s, uint64_t a, uint64_t b)
{
    if (s->key < s->end)
        ea_sum_add(s, ea_sum_product(s->key++, a, b));
}

static inline void ea_sum_tagged(EaSum *s, const uint8_t *p, uint32_t n, uint32_t tag)
{
    const EaSumKey *key = s->key;
    EaProduct sum = s->low | (EaProduct)s->high << 64;
    uint64_t word = n | (uint64_t)tag << 32;
    if ((uintptr_t)s->end - (uintptr_t)key < (uint64_t)n + 2 * sizeof *key)
        return; /* can't be: a datagram's slices don't overlap */
    for (; n > 16; n -= 16, p += 16) {
        sum += ea_sum_product(key++, word, ea_load64(p));
        word = ea_load64(p + 8);
        __asm__("" : "+r"(n)); /* else the compiler works out beforehand where all this ends, which takes longer */
    }
    if (n > 8) {
        sum += ea_sum_product(key++, word, ea_load64(p));
        word = ea_load_part(p + 8, n - 8);
        n = 0;
    }
    sum += ea_sum_product(key++, word, ea_load_part(p, n));
    s->key = key;
    s->low = (uint64_t)sum;
    s->high = (uint64_t)(sum >> 64);
}

static inline void ea_sum_slice(EaSum *s, const uint8_t *p, uint32_t n)
{
    ea_sum_tagged(s, p, n, 0);
}

static inline uint64_t ea_sum_mac(const EaSum *s, const EaMacKey *key)
{
    return ea_mac_words(key, s->low, s->high);
}

#endif
