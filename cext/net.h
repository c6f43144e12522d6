/* net.h: addresses, as bytes and as text, and the control messages of the two socket calls.
 *
 * It keeps no state, and never allocates. Part of hot.h.
 */
#ifndef EDGE_NET_H
#define EDGE_NET_H

/* ---- addresses ---- */

/* An address as the engine keeps it: IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2). */
typedef struct {
    uint64_t hi, lo; /* network order bytes, as they lie in memory */
    uint16_t port;   /* host order */
    uint16_t v4;
    uint32_t pad;
} EaAddr;

#define EA_MAPPED_LO_PREFIX 0xffff0000ull /* bytes 8..11 of ::ffff:0:0/96, little endian */

static inline void ea_addr_v4(EaAddr *a, uint32_t network_order, uint16_t port)
{
    a->hi = 0;
    a->lo = EA_MAPPED_LO_PREFIX | (uint64_t)network_order << 32;
    a->port = port;
    a->v4 = 1;
    a->pad = 0;
}

static inline void ea_addr_v6(EaAddr *a, const uint8_t *bytes, uint16_t port)
{
    memcpy(&a->hi, bytes, 8);
    memcpy(&a->lo, bytes + 8, 8);
    a->port = port;
    a->v4 = a->hi == 0 && (uint32_t)a->lo == EA_MAPPED_LO_PREFIX;
    a->pad = 0;
}

static inline int ea_addr_same_host(const EaAddr *a, const EaAddr *b)
{
    return a->hi == b->hi && a->lo == b->lo;
}

/* Nothing beyond the host can be reached from such an address. */
static inline int ea_addr_loopback(const EaAddr *a)
{
    const uint8_t *lo = (const uint8_t *)&a->lo;
    return a->v4 ? lo[4] == 127 : a->hi == 0 && a->lo == (uint64_t)1 << 56;
}

static inline void ea_from_sockaddr(EaAddr *a, const struct sockaddr_storage *s)
{
    if (s->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)s;
        ea_addr_v4(a, v4->sin_addr.s_addr, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)s;
        ea_addr_v6(a, v6->sin6_addr.s6_addr, ntohs(v6->sin6_port));
    }
}

static inline socklen_t ea_to_sockaddr(const EaAddr *a, int v6_socket, struct sockaddr_storage *s)
{
    if (a->v4 && !v6_socket) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)s;
        memset(v4, 0, sizeof *v4);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(a->port);
        v4->sin_addr.s_addr = (uint32_t)(a->lo >> 32);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)s;
    memset(v6, 0, sizeof *v6);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(a->port);
    memcpy(v6->sin6_addr.s6_addr, &a->hi, 8);
    memcpy(v6->sin6_addr.s6_addr + 8, &a->lo, 8);
    return sizeof *v6;
}

/* "a.b.c.d" in dotted decimal without leading zeros; 1 when it is one. */
static inline int ea_parse_v4(const uint8_t *p, uint32_t n, uint32_t *network_order)
{
    uint8_t bytes[4];
    uint32_t at = 0;
    for (int part = 0; part < 4; part++) {
        uint32_t value = 0, digits = 0;
        while (at < n && p[at] >= '0' && p[at] <= '9' && digits < 4) {
            value = value * 10 + (p[at++] - '0');
            digits++;
        }
        if (!digits || digits > 3 || value > 255 || (digits > 1 && p[at - digits] == '0'))
            return 0;
        bytes[part] = (uint8_t)value;
        if (part < 3 && (at >= n || p[at++] != '.'))
            return 0;
    }
    if (at != n)
        return 0;
    memcpy(network_order, bytes, 4);
    return 1;
}

/* Text of an IPv6 address without brackets; ":::" is read as "::" (RFC 5118 §4.10). */
static inline int ea_parse_v6(const uint8_t *p, uint32_t n, uint8_t *bytes)
{
    char text[64];
    uint32_t out = 0;
    if (n < 2 || n > 45)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i >= 2 && p[i] == ':' && p[i - 1] == ':' && p[i - 2] == ':') {
            if (i >= 3 && p[i - 3] == ':')
                return 0;
            continue;
        }
        text[out++] = (char)p[i];
    }
    text[out] = 0;
    return inet_pton(AF_INET6, text, bytes) == 1;
}

static inline uint8_t *ea_put_host(uint8_t *to, const EaAddr *a)
{
    if (a->v4) {
        const uint8_t *b = (const uint8_t *)&a->lo + 4;
        for (int i = 0; i < 4; i++) {
            memcpy(to, &ea_byte_text[b[i]], 4);
            to += to[3];
            *to++ = '.';
        }
        return to - 1;
    }
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    memcpy(bytes, &a->hi, 8);
    memcpy(bytes + 8, &a->lo, 8);
    inet_ntop(AF_INET6, bytes, text, sizeof text);
    return ea_put(to, text, (uint32_t)strlen(text));
}

/* ---- control messages ---- */

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* One more item of control data for the kernel. */
static inline void ea_control(struct msghdr *m, uint8_t *control, int level, int type, const void *data, size_t n)
{
    struct cmsghdr *c = (struct cmsghdr *)(control + m->msg_controllen);
    c->cmsg_len = CMSG_LEN(n);
    c->cmsg_level = level;
    c->cmsg_type = type;
    memcpy(CMSG_DATA(c), data, n);
    m->msg_control = control;
    m->msg_controllen += CMSG_SPACE(n);
}

/* Asks the kernel to cut the message into datagrams of `length` (udp(7), UDP_SEGMENT). `control` has CMSG_SPACE(2). */
static inline void ea_segment(struct msghdr *m, uint8_t *control, uint16_t length)
{
    ea_control(m, control, SOL_UDP, UDP_SEGMENT, &length, sizeof length);
}

/* The message leaves from that address of ours (ip(7) IP_PKTINFO, RFC 3542 §6.2). */
static inline void ea_pin(struct msghdr *m, uint8_t *control, const EaAddr *a)
{
    if (a->v4) {
        struct in_pktinfo info = {.ipi_spec_dst.s_addr = (uint32_t)(a->lo >> 32)};
        ea_control(m, control, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {0};
        memcpy(info.ipi6_addr.s6_addr, &a->hi, 8);
        memcpy(info.ipi6_addr.s6_addr + 8, &a->lo, 8);
        ea_control(m, control, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

/* Which address of ours a message was sent to; zero when the kernel doesn't say, or when it is nobody's own. */
static inline void ea_local(EaAddr *a, struct msghdr *m)
{
    struct in_pktinfo v4;
    struct in6_pktinfo v6;
    memset(a, 0, sizeof *a);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            memcpy(&v4, CMSG_DATA(c), sizeof v4);
            if (v4.ipi_spec_dst.s_addr)
                ea_addr_v4(a, v4.ipi_spec_dst.s_addr, 0);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            memcpy(&v6, CMSG_DATA(c), sizeof v6);
            if (v6.ipi6_addr.s6_addr[0] != 0xff)
                ea_addr_v6(a, v6.ipi6_addr.s6_addr, 0);
        }
    }
}

/* How many hops a message had left (TTL or hop limit), 0 when the kernel doesn't say. */
static inline uint32_t ea_distance(struct msghdr *m)
{
    int hops = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL)
            || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
            memcpy(&hops, CMSG_DATA(c), sizeof hops);
    return hops > 0 && hops < 256 ? (uint32_t)hops : 0;
}

/* How full a socket's receive buffer is, in parts of 256. The kernel gives freed room back late, so up to a quarter may be
   empty already. */
static inline uint32_t ea_queue_fill(int fd)
{
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t n = sizeof info;
    uint64_t fill;
    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) || n <= SK_MEMINFO_RCVBUF * sizeof info[0]
        || !info[SK_MEMINFO_RCVBUF])
        return 0;
    fill = (uint64_t)info[SK_MEMINFO_RMEM_ALLOC] * 256 / info[SK_MEMINFO_RCVBUF];
    return fill < 256 ? (uint32_t)fill : 256;
}

#endif
