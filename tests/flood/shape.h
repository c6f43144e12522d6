/* What flood says and in whose name: numbers, addresses, and messages from prepared pieces. It sends nothing.
 *
 * Patterns: a number; "random:A..B"; "step:A,BY"; "turn:A,B,..."; "file:NAME" (a number a line, in turn).
 *
 * Templates: %i an id of this packet, %r of this run, %n its count, %f and %t the
 * numbers, %s and %p the source's address and port, %a the agent's name, %% a percent sign.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROOM 8192
#define PIECES 128

static const char SDP[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n";

#define HEAD \
    "Via: SIP/2.0/UDP %s:%p;rport;branch=z9hG4bK%i\r\nMax-Forwards: 70\r\n" \
    "From: <sip:%f@customer.example.com;user=phone>;tag=t%i\r\nTo: <sip:%t@cloud.example.net;user=phone>\r\n" \
    "Call-ID: %i@customer.example.com\r\n"

static __attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("flood: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t state = 88172645463325252ull;

static uint64_t random64(void) /* xorshift64: the same run for the same seed */
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Numbers */

typedef struct {
    enum { FIXED, ANY, STEP, TURN } kind;
    uint64_t first, last, by;
    char (*list)[40];
    size_t count;
} Pattern;

static void pattern_add(Pattern *p, const char *text, size_t len)
{
    if (len == 0 || len >= sizeof *p->list)
        die("a number of %zu characters", len);
    if ((p->count & (p->count - 1)) == 0 && !(p->list = realloc(p->list, (p->count ? 2 * p->count : 1) * sizeof *p->list)))
        die("no memory");
    memcpy(p->list[p->count], text, len);
    p->list[p->count++][len] = 0;
}

static Pattern pattern_read(const char *text)
{
    Pattern p = {.kind = TURN};
    unsigned long long a, b = 0;
    if (sscanf(text, "random:+%llu..+%llu", &a, &b) == 2) {
        p.kind = ANY;
    } else if (sscanf(text, "step:+%llu,%llu", &a, &b) == 2) {
        p.kind = STEP;
    } else if (!strncmp(text, "file:", 5)) {
        char line[64];
        FILE *f = fopen(text + 5, "r");
        if (!f)
            die("%s: %s", text + 5, strerror(errno));
        while (fgets(line, sizeof line, f))
            if (strcspn(line, "\n"))
                pattern_add(&p, line, strcspn(line, "\n"));
        fclose(f);
    } else {
        const char *at = strncmp(text, "turn:", 5) ? text : text + 5;
        for (;; at++) {
            pattern_add(&p, at, strcspn(at, ","));
            at += strcspn(at, ",");
            if (!*at)
                break;
        }
    }
    if (p.kind != TURN) {
        p.first = a;
        p.last = p.by = b;
        if (p.kind == ANY && b < a)
            die("%s: ends before it begins", text);
    }
    return p;
}

static size_t decimal(char *to, uint64_t value)
{
    char text[24];
    size_t n = 0, i;
    do
        text[n++] = '0' + value % 10;
    while (value /= 10);
    for (i = 0; i < n; i++)
        to[i] = text[n - 1 - i];
    return n;
}

static size_t pattern_write(const Pattern *p, uint64_t count, char *to)
{
    if (p->kind == TURN) {
        const char *text = p->list[count % p->count];
        size_t len = strlen(text);
        memcpy(to, text, len);
        return len;
    }
    *to = '+';
    return 1 + decimal(to + 1, p->kind == ANY ? p->first + random64() % (p->last - p->first + 1) : p->first + count * p->by);
}

/* Sources */

typedef struct {
    int family;
    uint8_t bytes[16];
    int bits; /* of the network */
    uint16_t port;
} Address;

static Address address_read(const char *text, uint16_t port)
{
    Address a = {.port = port};
    char host[64], *end;
    const char *rest = strchr(text, ']');
    snprintf(host, sizeof host, "%s", *text == '[' ? text + 1 : text);
    if (*text == '[' && (end = strchr(host, ']')))
        *end = 0;
    if ((end = strchr(host, '/')))
        *end = 0;
    if (*text != '[' && strchr(host, '.') && (end = strchr(host, ':')))
        *end = 0;
    rest = *text == '[' ? rest : strchr(text, '.') ? text : NULL;
    if (rest && strchr(rest, ':') && !strchr(text, '/'))
        a.port = (uint16_t)atoi(strchr(rest, ':') + 1);
    a.family = strchr(host, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(a.family, host, a.bytes) != 1)
        die("%s: no address", text);
    a.bits = strchr(text, '/') ? atoi(strchr(text, '/') + 1) : a.family == AF_INET ? 32 : 128;
    return a;
}

/* The nth address of a network, in order. */
static Address address_of(const Address *net, uint64_t n)
{
    Address a = *net;
    int i = a.family == AF_INET ? 3 : 15, host_bits = (i + 1) * 8 - net->bits;
    for (; i >= 0 && host_bits > 0; i--, host_bits -= 8, n >>= 8) {
        uint8_t mask = host_bits >= 8 ? 0xff : (1 << host_bits) - 1;
        a.bytes[i] = (net->bytes[i] & ~mask) | (n & mask);
    }
    return a;
}

/* Any address of it, from any port. */
static Address address_any(const Address *net)
{
    Address a = *net;
    int i = a.family == AF_INET ? 3 : 15, host_bits = (i + 1) * 8 - net->bits;
    uint64_t n = random64();
    for (; i >= 0 && host_bits > 0; i--, host_bits -= 8, n = i == 7 ? random64() : n >> 8) {
        uint8_t mask = host_bits >= 8 ? 0xff : (1 << host_bits) - 1;
        a.bytes[i] = (net->bytes[i] & ~mask) | (n & mask);
    }
    a.port = (uint16_t)(1024 + random64() % 64000);
    return a;
}

static size_t address_write(const Address *a, char *to)
{
    if (a->family == AF_INET6) {
        *to = '[';
        inet_ntop(AF_INET6, a->bytes, to + 1, 46);
        strcat(to, "]");
        return strlen(to);
    }
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        n += decimal(to + n, a->bytes[i]);
        to[n++] = '.';
    }
    return n - 1;
}

/* Messages */

typedef struct {
    const char *text;
    size_t len;
    char field; /* that follows, or 0 */
} Piece;

static Piece pieces[PIECES];
static size_t piece_count;

static void template_read(const char *text)
{
    for (;;) {
        const char *end = strchrnul(text, '%');
        if (piece_count == PIECES)
            die("more than %d fields in the template", PIECES);
        pieces[piece_count++] = (Piece){text, (size_t)(end - text), *end ? end[1] : 0};
        if (!*end)
            return;
        if (!end[1] || !strchr("irnftspa%", end[1]))
            die("template: no field %%%c", end[1]);
        text = end + 2;
    }
}

typedef struct {
    Pattern from, to;
    const char *agent;
    char run[9];
    int one_call;
} Recipe;

static size_t hexadecimal(char *to, uint64_t value)
{
    for (int i = 0; i < 10; i++)
        to[i] = "0123456789abcdef"[value >> (36 - 4 * i) & 15];
    return 10;
}

static size_t message_write(const Recipe *r, uint64_t count, const Address *source, char *to)
{
    char from[40], called[40], host[64];
    size_t from_len = pattern_write(&r->from, count, from), called_len = pattern_write(&r->to, count, called);
    size_t host_len = address_write(source, host), at = 0;
    for (size_t i = 0; i < piece_count; i++) {
        const char *what = NULL;
        size_t len = 0;
        memcpy(to + at, pieces[i].text, pieces[i].len);
        at += pieces[i].len;
        switch (pieces[i].field) {
        case 'i':
            memcpy(to + at, r->run, 8);
            at += 8 + hexadecimal(to + at + 8, r->one_call ? 0 : count);
            break;
        case 'n': at += decimal(to + at, count); break;
        case 'p': at += decimal(to + at, source->port); break;
        case 'r': what = r->run, len = 8; break;
        case 'f': what = from, len = from_len; break;
        case 't': what = called, len = called_len; break;
        case 's': what = host, len = host_len; break;
        case 'a': what = r->agent, len = strlen(r->agent); break;
        case '%': what = "%", len = 1; break;
        default: break;
        }
        if (len)
            memcpy(to + at, what, len);
        at += len;
        if (at > ROOM - 512)
            die("a message of more than %d bytes", ROOM - 512);
    }
    return at;
}

/* One to four changes, none of which looks at what it hits. */
static size_t message_spoil(char *p, size_t len)
{
    for (int changes = 1 + (int)(random64() & 3); changes && len > 8; changes--) {
        size_t at = random64() % len, some = 1 + random64() % 16;
        if (some > len - at)
            some = len - at;
        switch (random64() % 6) {
        case 0: p[at] ^= 1 << (random64() & 7); break;
        case 1: p[at] = (char)random64(); break;
        case 2: len = at; break;
        case 3: /* taken out */
            memmove(p + at, p + at + some, len - at - some);
            len -= some;
            break;
        case 4: /* doubled */
            memmove(p + at + some, p + at, len - at);
            len += some;
            break;
        default: memset(p + at, "\r\n\0:;,<\""[random64() & 7], some); break;
        }
    }
    return len;
}
