/* floor.c: the least that a user-space forwarder pays for a datagram.
 *
 *   floor COUNT RATE < message
 *
 * Three processes on loopback: a sender paced to RATE per second in bursts, a
 * forwarder that hands each batch on without reading a byte of it, and a sink.
 * Prints the forwarder's own CPU time per message, as the scheduler charged it,
 * and how many messages made it. It never looks into what it carries, so
 * whatever a screening proxy costs above it is the screening's own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SLOTS = 64,         /* datagrams taken in one call, as in the engine */
    SLOT_SIZE = 4096,
    BURST = 32,         /* datagrams sent in one call, then a pause that keeps the rate */
    BUFFER = 32 << 20,  /* socket buffers: nothing is lost, so every process sees every message */
    IDLE_MS = 500,      /* silence that ends the receivers */
};

struct result {
    long forwarded, received;
    int64_t cpu_ns;
};

static int64_t clock_ns(clockid_t which)
{
    struct timespec t;
    clock_gettime(which, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void give_up(const char *what)
{
    perror(what);
    exit(1);
}

/* A UDP socket on a free loopback port; *at is where it stands. */
static int open_socket(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = BUFFER;
    socklen_t length = sizeof *at;
    struct timeval idle = {.tv_usec = IDLE_MS * 1000};

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)at, sizeof *at) || getsockname(fd, (struct sockaddr *)at, &length))
        give_up("socket");
    /* FORCE needs CAP_NET_ADMIN; without it the system's limit has to do. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
    return fd;
}

/* Receive batches until nothing comes any more; send each on to `next` where one is given. */
static long carry(int fd, struct sockaddr_in *next)
{
    static char slots[SLOTS][SLOT_SIZE];
    struct mmsghdr heads[SLOTS];
    struct iovec parts[SLOTS];
    struct sockaddr_in from[SLOTS];
    long count = 0;

    for (;;) {
        int got, sent;
        for (int i = 0; i < SLOTS; i++) {
            parts[i] = (struct iovec){slots[i], SLOT_SIZE};
            heads[i] = (struct mmsghdr){.msg_hdr = {
                .msg_iov = &parts[i], .msg_iovlen = 1, .msg_name = &from[i], .msg_namelen = sizeof from[i]}};
        }
        got = recvmmsg(fd, heads, SLOTS, MSG_WAITFORONE, NULL);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return count;
        for (int i = 0; i < got; i++) {
            parts[i].iov_len = heads[i].msg_len;
            heads[i].msg_hdr.msg_name = next;
        }
        for (sent = 0; next && sent < got;) {
            int taken = sendmmsg(fd, heads + sent, got - sent, 0);
            if (taken < 0)
                give_up("sendmmsg");
            sent += taken;
        }
        count += got;
    }
}

static void send_paced(int fd, struct sockaddr_in *to, char *message, size_t length, long count, double rate)
{
    struct iovec part = {message, length};
    struct mmsghdr heads[BURST];
    int64_t start = clock_ns(CLOCK_MONOTONIC);

    for (int i = 0; i < BURST; i++)
        heads[i] = (struct mmsghdr){.msg_hdr = {
            .msg_iov = &part, .msg_iovlen = 1, .msg_name = to, .msg_namelen = sizeof *to}};
    for (long sent = 0; sent < count;) {
        int taken = sendmmsg(fd, heads, count - sent < BURST ? count - sent : BURST, 0);
        if (taken < 0)
            give_up("sendmmsg");
        sent += taken;
        int64_t due = start + (int64_t)(sent * 1e9 / rate);
        struct timespec until = {due / 1000000000, due % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
}

int main(int argc, char **argv)
{
    static char message[SLOT_SIZE];
    struct sockaddr_in at_forwarder, at_sink, at_sender;
    long count = argc == 3 ? atol(argv[1]) : 0;
    double rate = argc == 3 ? atof(argv[2]) : 0;
    size_t length = fread(message, 1, sizeof message, stdin);

    if (count <= 0 || rate <= 0 || length == 0) {
        fprintf(stderr, "usage: floor COUNT RATE < message\n");
        return 2;
    }
    int forwarder = open_socket(&at_forwarder), sink = open_socket(&at_sink), sender = open_socket(&at_sender);
    struct result *result =
        mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (result == MAP_FAILED)
        give_up("mmap");

    if (fork() == 0) {
        result->received = carry(sink, NULL);
        _exit(0);
    }
    if (fork() == 0) {
        int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        result->forwarded = carry(forwarder, &at_sink);
        result->cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - before;
        _exit(0);
    }
    send_paced(sender, &at_forwarder, message, length, count, rate);
    while (wait(NULL) > 0)
        ;
    printf("{\"sent\": %ld, \"forwarded\": %ld, \"received\": %ld, \"cpu_ns\": %.1f}\n", count, result->forwarded,
           result->received, result->forwarded ? (double)result->cpu_ns / result->forwarded : 0.0);
    return 0;
}
