/* flood: SIP requests at a rate, from sources and in shapes that an attacker would choose. Prints JSON.
 *
 *   flood --target HOST:PORT [--source HOST[:PORT]] [--network CIDR] [--sources N]
 *         [--mode good|random|malformed|mixed] [--method NAME | --template FILE]
 *         [--from PATTERN] [--to PATTERN] [--agent NAME] [--one-call]
 *         [--rate PPS] [--count N] [--seconds S] [--burst N --burst-at start|end|both] [--ttl N] [--seed N]
 *
 * Sources: --source alone sends from a plain socket on that address, and counts
 * the answers. --network takes each packet's address out of the network, in turn
 * (the first N of it with --sources, from where --skip says) or at random (--mode
 * random); these, and a --source with --forge, go out of a raw socket with a header
 * made here, so a private network namespace is where to run it.
 *
 * Modes: good, one readable request a packet; malformed, the same with a few bytes
 * changed, cut, doubled or taken out; mixed, in turn good from --source, good and
 * malformed from --network.
 *
 * Patterns of numbers and the fields of templates: shape.h.
 * Messages are made of prepared pieces and leave by sendmmsg, so that one core holds 200,000 a second.
 * It never answers what comes back.
 */
#include "shape.h"

#include <getopt.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64
#define HEADERS 48 /* IPv6 and UDP */

enum { GOOD, RANDOM, MALFORMED, MIXED };
static const char *const MODES[] = {"good", "random", "malformed", "mixed", NULL};

/* Packets */

static uint16_t checksum(const uint8_t *p, size_t len, uint64_t sum)
{
    for (; len > 1; p += 2, len -= 2)
        sum += (uint64_t)p[0] << 8 | p[1];
    if (len)
        sum += (uint64_t)p[0] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff ? 0xffff : (uint16_t)~sum;
}

static void put16(uint8_t *p, size_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* Writes both headers in front of a payload; returns where the packet begins. The kernel adds IPv4's checksum. */
static uint8_t *packet_head(uint8_t *payload, size_t len, const Address *from, const Address *to, int ttl)
{
    uint8_t *udp = payload - 8, *ip = udp - (from->family == AF_INET ? 20 : 40);
    memset(ip, 0, (size_t)(payload - ip));
    put16(udp, from->port);
    put16(udp + 2, to->port);
    put16(udp + 4, len + 8);
    if (from->family == AF_INET) {
        ip[0] = 0x45;
        put16(ip + 2, len + 28);
        ip[8] = (uint8_t)ttl;
        ip[9] = IPPROTO_UDP;
        memcpy(ip + 12, from->bytes, 4);
        memcpy(ip + 16, to->bytes, 4);
        return ip;
    }
    ip[0] = 0x60;
    put16(ip + 4, len + 8);
    ip[6] = IPPROTO_UDP;
    ip[7] = (uint8_t)ttl;
    memcpy(ip + 8, from->bytes, 16);
    memcpy(ip + 24, to->bytes, 16);
    put16(udp + 6, checksum(ip + 8, 32 + 8 + len, len + 8 + IPPROTO_UDP));
    return ip;
}

static socklen_t to_kernel(const Address *a, int port, struct sockaddr_storage *s)
{
    memset(s, 0, sizeof *s);
    s->ss_family = (sa_family_t)a->family;
    if (a->family == AF_INET) {
        struct sockaddr_in *in = (void *)s;
        in->sin_port = htons((uint16_t)port);
        memcpy(&in->sin_addr, a->bytes, 4);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (void *)s;
    in6->sin6_port = htons((uint16_t)port);
    memcpy(&in6->sin6_addr, a->bytes, 16);
    return sizeof *in6;
}

static int open_socket(Address *from, int raw, int ttl)
{
    int on = 1, size = 8 << 20;
    int s = socket(from->family, raw ? SOCK_RAW : SOCK_DGRAM, raw ? IPPROTO_RAW : 0);
    if (s < 0)
        die("socket: %s", strerror(errno));
    if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
        setsockopt(s, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (!raw) {
        struct sockaddr_storage name;
        socklen_t len = to_kernel(from, from->port, &name);
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        setsockopt(s, from->family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
                   from->family == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS, &ttl, sizeof ttl);
        if (bind(s, (void *)&name, len))
            die("bind: %s", strerror(errno));
        getsockname(s, (void *)&name, &len); /* port 0 was any */
        from->port = ntohs(from->family == AF_INET ? ((struct sockaddr_in *)&name)->sin_port
                                                   : ((struct sockaddr_in6 *)&name)->sin6_port);
    }
    return s;
}

static uint64_t answers[8]; /* by status class; 0: no answer */

static void drain(int s)
{
    char b[2048];
    ssize_t n;
    while ((n = recv(s, b, sizeof b, MSG_DONTWAIT)) >= 0)
        answers[n > 12 && !memcmp(b, "SIP/2.0 ", 8) && b[8] > '0' && b[8] < '7' ? b[8] - '0' : 0]++;
}

/* Pacing: how many packets may have left by now. */

typedef struct {
    double rate, burst, began;
    int at_start, at_end;
} Pace;

static double pace_due(const Pace *p, double t)
{
    if (!p->burst)
        return p->rate ? (t - p->began) * p->rate : 1e18;
    /* Seconds begin where the first one did; what is due at a second's end is due 5 ms before the next. */
    double since = t - p->began, seconds = (double)(uint64_t)since;
    double ended = seconds + (since - seconds >= 0.995);
    return p->burst * ((p->at_start ? seconds + 1 : 0) + (p->at_end ? ended : 0));
}

int main(int argc, char **argv)
{
    enum { TARGET = 1, SOURCE, NETWORK, SOURCES, SKIP, MODE, METHOD, TEMPLATE, FROM, TO, AGENT, ONE_CALL, FORGE, RATE, COUNT,
           SECONDS, BURST, BURST_AT, TTL, SEED };
    static const struct option options[] = {
        {"target", 1, 0, TARGET}, {"source", 1, 0, SOURCE}, {"network", 1, 0, NETWORK}, {"sources", 1, 0, SOURCES},
        {"skip", 1, 0, SKIP}, {"mode", 1, 0, MODE}, {"method", 1, 0, METHOD}, {"template", 1, 0, TEMPLATE},
        {"from", 1, 0, FROM}, {"to", 1, 0, TO}, {"agent", 1, 0, AGENT}, {"one-call", 0, 0, ONE_CALL},
        {"forge", 0, 0, FORGE}, {"rate", 1, 0, RATE}, {"count", 1, 0, COUNT}, {"seconds", 1, 0, SECONDS},
        {"burst", 1, 0, BURST}, {"burst-at", 1, 0, BURST_AT}, {"ttl", 1, 0, TTL}, {"seed", 1, 0, SEED}, {0}};
    Recipe recipe = {.from = pattern_read("random:+12125000000..+12125099999"), .to = pattern_read("+442071838750"),
                     .agent = "Acme-SBC/9.1"};
    Pace pace = {.at_start = 1};
    Address target = {0}, source = {0}, network = {0};
    const char *method = "INVITE";
    char *file = NULL;
    uint64_t count = UINT64_MAX, sources = 0, skip = 0, sent = 0, made = 0, errors = 0, bytes = 0;
    double seconds = 1e9;
    int mode = GOOD, forge = 0, ttl = 64, o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (o) {
        case TARGET: target = address_read(optarg, 5060); break;
        case SOURCE: source = address_read(optarg, 5070); break;
        case NETWORK: network = address_read(optarg, 5060); break;
        case SOURCES: sources = strtoull(optarg, NULL, 10); break;
        case SKIP: skip = strtoull(optarg, NULL, 10); break;
        case MODE:
            for (mode = 0; MODES[mode] && strcmp(MODES[mode], optarg); mode++)
                ;
            if (!MODES[mode])
                die("no mode %s", optarg);
            break;
        case METHOD: method = optarg; break;
        case TEMPLATE: file = optarg; break;
        case FROM: recipe.from = pattern_read(optarg); break;
        case TO: recipe.to = pattern_read(optarg); break;
        case AGENT: recipe.agent = optarg; break;
        case ONE_CALL: recipe.one_call = 1; break;
        case FORGE: forge = 1; break;
        case RATE: pace.rate = atof(optarg); break;
        case COUNT: count = strtoull(optarg, NULL, 10); break;
        case SECONDS: seconds = atof(optarg); break;
        case BURST: pace.burst = atof(optarg); break;
        case BURST_AT: pace.at_start = *optarg != 'e'; pace.at_end = *optarg != 's'; break;
        case TTL: ttl = atoi(optarg); break;
        case SEED: state ^= strtoull(optarg, NULL, 10) * 0x9e3779b97f4a7c15ull; break;
        default: return 2;
        }
    if (!target.family || (!source.family && !network.family))
        die("--target, and --source or --network, are needed");
    if ((mode == RANDOM || mode == MIXED) && !network.family)
        die("--mode %s needs a --network", MODES[mode]);
    if (mode == MIXED && !source.family)
        die("--mode mixed needs a --source");
    if (count == UINT64_MAX && seconds == 1e9)
        die("--count or --seconds is needed");
    snprintf(recipe.run, sizeof recipe.run, "%08x", (unsigned)(random64() ^ (uint64_t)(now() * 1e6) ^ (uint64_t)getpid() << 20));

    static char text[2 * ROOM];
    if (file) {
        FILE *f = fopen(file, "rb");
        if (!f || fread(text, 1, sizeof text - 1, f) == 0)
            die("%s: %s", file, strerror(errno));
        fclose(f);
    } else {
        int call = !strcmp(method, "INVITE");
        const char *cseq = !strcmp(method, "ACK") || !strcmp(method, "CANCEL") ? "1 " : "7 ";
        snprintf(text, sizeof text,
                 "%s sip:%s SIP/2.0\r\n%sCSeq: %s%s\r\nContact: <sip:%%f@%%s:%%p>\r\nUser-Agent: %%a\r\n%s"
                 "Content-Length: %zu\r\n\r\n%s",
                 method, strcmp(method, "REGISTER") ? "%t@cloud.example.net" : "cloud.example.net", HEAD, call ? "1 " : cseq,
                 method, call ? "Supported: 100rel, timer, replaces\r\nContent-Type: application/sdp\r\n" : "",
                 call ? sizeof SDP - 1 : 0, call ? SDP : "");
    }
    template_read(text);

    int raw = forge || network.family != 0;
    int s = open_socket(source.family ? &source : &network, raw, ttl);
    static uint8_t room[BATCH][HEADERS + ROOM + 64];
    struct mmsghdr head[BATCH];
    struct iovec io[BATCH];
    struct sockaddr_storage name;
    socklen_t name_len = to_kernel(&target, raw && target.family == AF_INET6 ? 0 : target.port, &name);
    int batch = pace.burst || pace.rate == 0 || pace.rate >= 10000 ? BATCH / 2 : 1;

    pace.began = now();
    for (double t = pace.began; sent + errors < count && t - pace.began < seconds; t = now()) {
        double may = pace_due(&pace, t) - (double)(sent + errors);
        int n = 0;
        if (may < (pace.burst ? 1 : batch)) {
            double wait = pace.burst ? 0.0005 : (batch - may) / pace.rate;
            struct timespec pause = {(time_t)wait, (long)((wait - (double)(time_t)wait) * 1e9)};
            nanosleep(&pause, NULL);
            if (!raw)
                drain(s);
            continue;
        }
        for (; n < batch && n < may && sent + errors + (uint64_t)n < count; n++, made++) {
            int kind = mode == MIXED ? (int)(made % 3) : mode == MALFORMED ? 2 : mode == RANDOM || !source.family ? 1 : 0;
            Address from = source;
            uint8_t *payload = room[n] + HEADERS, *start = payload;
            if (network.family && kind)
                from = mode == RANDOM || mode == MIXED ? address_any(&network)
                                                       : address_of(&network, skip + (sources ? made % sources : made));
            size_t len = message_write(&recipe, made, &from, (char *)payload);
            if (kind == 2)
                len = message_spoil((char *)payload, len);
            if (raw)
                start = packet_head(payload, len, &from, &target, ttl);
            io[n] = (struct iovec){start, len + (size_t)(payload - start)};
            head[n].msg_hdr = (struct msghdr){.msg_name = &name, .msg_namelen = name_len, .msg_iov = &io[n], .msg_iovlen = 1};
        }
        for (int done = 0; done < n;) {
            int r = sendmmsg(s, head + done, (unsigned)(n - done), 0);
            for (int i = done; i < done + r; i++)
                bytes += io[i].iov_len;
            if (r <= 0) { /* this one was refused: go on behind it */
                errors++;
                done++;
            } else {
                sent += (uint64_t)r;
                done += r;
            }
        }
        if (!raw)
            drain(s);
    }
    double took = now() - pace.began;
    for (int i = 0; !raw && i < 10; i++) {
        usleep(20000);
        drain(s);
    }
    printf("{\"sent\": %llu, \"seconds\": %.3f, \"pps\": %.0f, \"errors\": %llu, \"bytes\": %llu, \"answers\": {\"1xx\": %llu, "
           "\"2xx\": %llu, \"3xx\": %llu, \"4xx\": %llu, \"5xx\": %llu, \"6xx\": %llu, \"other\": %llu}}\n",
           (unsigned long long)sent, took, sent / took, (unsigned long long)errors, (unsigned long long)bytes,
           (unsigned long long)answers[1], (unsigned long long)answers[2], (unsigned long long)answers[3],
           (unsigned long long)answers[4], (unsigned long long)answers[5], (unsigned long long)answers[6],
           (unsigned long long)answers[0]);
    return 0;
}
