/* calls: a customer and his cloud around an agent: whole calls at a steady rate, counted at both ends. Prints JSON.
 *
 *   calls --agent H:P --trunk H:P --cloud H:P [--rate R] [--seconds S] [--hold MS] [--patience S]
 *         [--from PATTERN] [--to PATTERN] [--end bye|none|cancel] [--answer STATUS] [--others STATUS] [--linger S] [--domain NAME]
 *
 * One process plays both sides, so a delay is the difference of two readings of one
 * clock. The trunk sends INVITE, ACK and BYE and repeats what isn't answered as
 * RFC 3261 says (T1 500 ms); the cloud answers 200, or --answer. --end none: it never
 * hangs up; cancel: CANCEL follows the INVITE at once, and the cloud says 487.
 *
 * A call is complete when its last answer is back at the trunk. Requests that reach the
 * cloud and aren't of this run are counted, and answered --others (0: not at all).
 * `late` is how far this process itself was behind its own timetable: no agent's fault.
 * Patterns of numbers: shape.h.
 */
#include "shape.h"

#include <getopt.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define T1 0.5
#define KEPT 1536

typedef struct {
    double due, sent, arrived, answered, bye_at, again; /* 0: not yet */
    float wait;                                         /* until it is sent again, and then twice that */
    uint16_t status;                                    /* final, at the trunk */
    unsigned invited : 1, acked : 1, bye_arrived : 1, over : 1, cancelled : 1, ok_again : 3;
    char *bye, *ok; /* as sent, for repeats */
    double ok_at;
} Call;

static struct sockaddr_in agent, trunk, cloud;
static char trunk_text[32], cloud_text[32], agent_text[32];
static Recipe recipe;
static Call *calls;
static uint64_t total, begun, oldest;
static uint64_t acked, byes, byes_arrived, completed, arrived, answered, repeats, others, strays, refused[700], by_method[6];
static int trunk_socket, cloud_socket, answer = 200, other_answer = 404;
static enum { BYE, NONE, CANCEL } ending = BYE;
static double hold = 0.1;
static char run[9];
static const char *domain = "cloud.example.net";

static struct sockaddr_in endpoint(const char *text, char *written)
{
    Address a = address_read(text, 5060);
    struct sockaddr_in s = {.sin_family = AF_INET, .sin_port = htons(a.port)};
    if (a.family != AF_INET)
        die("%s: an IPv4 address is needed", text);
    memcpy(&s.sin_addr, a.bytes, 4);
    size_t n = address_write(&a, written);
    snprintf(written + n, 32 - n, ":%u", a.port);
    return s;
}

static int open_at(const struct sockaddr_in *at)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0), size = 32 << 20;
    if (setsockopt(s, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(s, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(s, (const void *)at, sizeof *at))
        die("bind: %s", strerror(errno));
    return s;
}

static void say(int s, const char *text)
{
    sendto(s, text, strlen(text), 0, (void *)&agent, sizeof agent);
}

/* Every header of that name, as it came, in its order. */
static char *copy(char *to, const char *message, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(message, "\r\n"); line && line[2] != '\r'; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, len) && line[2 + len] == ':') {
            const char *end = strstr(line + 2, "\r\n");
            size_t n = (size_t)(end - line);
            memcpy(to, line + 2, n);
            to += n;
        }
    *to = 0;
    return to;
}

/* The value of a header; "" without one. */
static const char *value(const char *message, const char *name, char *to, size_t room)
{
    char line[KEPT];
    char *end = copy(line, message, name), *at = strchr(line, ':');
    if (!at)
        return strcpy(to, "");
    at += 1 + strspn(at + 1, " ");
    end = strstr(at, "\r\n");
    snprintf(to, room, "%.*s", (int)(end - at), at);
    return to;
}

static void reply(const char *request, int status, const char *phrase, char *to)
{
    char tag[256];
    char *at = to + sprintf(to, "SIP/2.0 %d %s\r\n", status, phrase);
    at = copy(at, request, "Via");
    at = copy(at, request, "Record-Route");
    at = copy(at, request, "From");
    value(request, "To", tag, sizeof tag);
    at += sprintf(at, "To: %s%s\r\n", tag, strstr(tag, ";tag=") || status == 100 ? "" : ";tag=cloud");
    at = copy(at, request, "Call-ID");
    at = copy(at, request, "CSeq");
    sprintf(at, "Contact: <sip:cloud@%s>\r\nContent-Length: 0\r\n\r\n", cloud_text);
}

static void invite_write(uint64_t n, const char *method, const char *to_tag, char *to)
{
    char from[40] = "", called[40] = "";
    from[pattern_write(&recipe.from, n, from)] = 0;
    called[pattern_write(&recipe.to, n, called)] = 0;
    int whole = !strcmp(method, "INVITE");
    sprintf(to,
            "%s sip:%s@%s;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s-%llu\r\n"
            "Max-Forwards: 70\r\nFrom: \"Support\" <sip:%s@customer.example.com;user=phone>;tag=t%llu\r\n"
            "To: <sip:%s@cloud.example.net;user=phone>%s\r\nCall-ID: %s-%llu@customer.example.com\r\nCSeq: 1 %s\r\n"
            "Contact: <sip:%s@%s>\r\n%sContent-Length: %zu\r\n\r\n%s",
            method, called, domain, trunk_text, run, (unsigned long long)n, from, (unsigned long long)n, called, to_tag, run,
            (unsigned long long)n, method, from, trunk_text, whole ? "Content-Type: application/sdp\r\n" : "",
            whole ? sizeof SDP - 1 : 0, whole ? SDP : "");
}

/* A request inside the dialog that a 200 opened: to its Contact by its Record-Route (we add one, so no order to turn). */
static void dialog_write(uint64_t n, const char *method, const char *ok, char *to)
{
    char contact[512], route[512];
    value(ok, "Contact", contact, sizeof contact);
    value(ok, "Record-Route", route, sizeof route);
    char *end = strchr(contact, '>');
    if (end)
        *end = 0;
    char *at = to + sprintf(to, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s-%llu%c\r\nMax-Forwards: 70\r\n",
                            method, contact + (*contact == '<'), trunk_text, run, (unsigned long long)n, *method);
    if (*route)
        at += sprintf(at, "Route: %s\r\n", route);
    at = copy(at, ok, "From");
    at = copy(at, ok, "To");
    at = copy(at, ok, "Call-ID");
    sprintf(at, "CSeq: %d %s\r\nContent-Length: 0\r\n\r\n", *method == 'A' ? 1 : 2, method);
}

static Call *find(const char *message, uint64_t *n)
{
    char id[256];
    value(message, "Call-ID", id, sizeof id);
    if (strncmp(id, run, 8) || id[8] != '-')
        return NULL;
    *n = strtoull(id + 9, NULL, 10);
    return *n < begun ? &calls[*n] : NULL;
}

static void finish(Call *c)
{
    if (!c->over)
        completed++;
    c->over = 1;
    c->again = 0;
    free(c->bye);
    c->bye = NULL;
}

static void at_trunk(char *message, double t)
{
    char text[4096], cseq[64], tag[256];
    uint64_t n;
    Call *c = strncmp(message, "SIP/2.0 ", 8) ? NULL : find(message, &n);
    int status = c ? atoi(message + 8) : 0;
    if (!c || status < 100 || status > 699) {
        strays++;
        return;
    }
    value(message, "CSeq", cseq, sizeof cseq);
    if (strstr(cseq, "CANCEL"))
        return;
    if (strstr(cseq, "BYE")) {
        if (status >= 200)
            finish(c);
        return;
    }
    if (status < 200) {
        c->again = 0;
        return;
    }
    if (status >= 300) {
        value(message, "To", tag, sizeof tag);
        invite_write(n, "ACK", strstr(tag, ";tag=") ? strstr(tag, ";tag=") : "", text);
        say(trunk_socket, text);
        if (!c->status)
            refused[status]++;
        c->status = (uint16_t)status;
        if (!c->over && (status == answer || (status == 487 && ending == CANCEL)))
            finish(c);
        c->over = 1;
        c->again = 0;
        return;
    }
    dialog_write(n, "ACK", message, text);
    say(trunk_socket, text);
    if (c->status)
        return;
    c->status = 200;
    c->answered = t;
    answered++;
    c->again = 0;
    if (ending == BYE) {
        dialog_write(n, "BYE", message, text);
        c->bye = strdup(text);
        c->bye_at = t + hold;
    } else {
        finish(c);
    }
}

static void at_cloud(char *message, double t)
{
    static const char *const names[] = {"INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS"};
    char text[4096];
    uint64_t n;
    int method = 0;
    while (method < 6 && (strncmp(message, names[method], strlen(names[method])) || message[strlen(names[method])] != ' '))
        method++;
    Call *c = find(message, &n);
    if (!c) {
        others++;
        if (method < 6)
            by_method[method]++;
        if (method != 1 && other_answer && strncmp(message, "SIP/2.0", 7)) {
            int status = method == 2 || method == 3 ? 200 : other_answer;
            reply(message, status, status == 200 ? "OK" : "Not Found", text);
            if (status == 401)
                sprintf(strstr(text, "Content-Length"), "WWW-Authenticate: Digest realm=\"cloud\", nonce=\"%s%x\"\r\n"
                        "Content-Length: 0\r\n\r\n", run, (unsigned)random64());
            say(cloud_socket, text);
        }
        return;
    }
    switch (method) {
    case 0:
        if (!c->invited) {
            c->invited = 1;
            c->arrived = t;
            arrived++;
        }
        if (answer < 200 || ending == CANCEL) {
            free(c->ok);
            c->ok = strdup(message); /* to be answered when its CANCEL comes */
            return;
        }
        reply(message, answer, answer == 200 ? "OK" : "No", text);
        say(cloud_socket, text);
        if (answer == 200 && !c->acked) {
            free(c->ok);
            c->ok = strdup(text);
            c->ok_at = t + T1;
        }
        return;
    case 1:
        acked += !c->acked;
        c->acked = 1;
        free(c->ok);
        c->ok = NULL;
        return;
    case 2:
        byes_arrived += !c->bye_arrived;
        c->bye_arrived = 1;
        reply(message, 200, "OK", text);
        say(cloud_socket, text);
        return;
    case 3:
        reply(message, 200, "OK", text);
        say(cloud_socket, text);
        if (c->ok && !c->acked) {
            reply(c->ok, 487, "Request Terminated", text);
            say(cloud_socket, text);
        }
        return;
    default:
        strays++;
    }
}

static void take(int s, void (*by)(char *, double))
{
    static char message[65536];
    ssize_t n;
    while ((n = recv(s, message, sizeof message - 1, MSG_DONTWAIT)) > 0) {
        message[n] = 0;
        /* Nobody here has so long a header; what floods bring may. */
        if (n < 1400 && strstr(message, "\r\n\r\n"))
            by(message, now());
        else
            strays++;
    }
}

static void start_calls(double t)
{
    char text[4096];
    for (; begun < total && calls[begun].due <= t; begun++) {
        Call *c = &calls[begun];
        invite_write(begun, "INVITE", "", text);
        c->sent = now();
        say(trunk_socket, text);
        c->again = c->sent + (c->wait = T1);
        if (ending == CANCEL) {
            c->bye_at = c->sent + 0.002;
        }
    }
}

/* Hangs up, and says again what nobody answered. */
static void look_after(double t)
{
    char text[4096];
    while (oldest < begun && calls[oldest].over && !calls[oldest].ok)
        oldest++;
    for (uint64_t n = oldest; n < begun; n++) {
        Call *c = &calls[n];
        if (c->ok && c->ok_at && t >= c->ok_at && !c->acked && c->ok_again < 5) {
            say(cloud_socket, c->ok);
            c->ok_at = t + T1 * (2 << c->ok_again++);
            repeats++;
        }
        if (c->over)
            continue;
        if (c->bye_at && t >= c->bye_at && !c->cancelled) {
            c->cancelled = 1;
            if (c->bye) {
                say(trunk_socket, c->bye);
                c->again = t + (c->wait = T1);
                byes++;
            } else {
                invite_write(n, "CANCEL", "", text);
                say(trunk_socket, text);
            }
        } else if (c->again && t >= c->again) {
            if (c->bye) {
                say(trunk_socket, c->bye);
            } else {
                invite_write(n, "INVITE", "", text);
                say(trunk_socket, text);
                if (ending == CANCEL)
                    c->cancelled = 0;
            }
            repeats++;
            c->again = t + (c->wait = 2 * c->wait > 4 ? 4 : 2 * c->wait);
        }
    }
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Milliseconds at a share of the sorted times from one moment of a call to another. */
static double quantile(size_t from, size_t to, double share)
{
    double *times = malloc((total + 1) * sizeof *times);
    size_t n = 0;
    for (uint64_t i = 0; i < total; i++) {
        double a = *(double *)((char *)&calls[i] + from), b = *(double *)((char *)&calls[i] + to);
        if (a && b)
            times[n++] = (b - a) * 1000;
    }
    qsort(times, n, sizeof *times, ascending);
    double result = n ? times[(size_t)(share * (double)(n - 1))] : 0;
    free(times);
    return result;
}

#define AT(field) __builtin_offsetof(Call, field)

int main(int argc, char **argv)
{
    enum { AGENT = 1, TRUNK, CLOUD, RATE, SECONDS, HOLD, PATIENCE, FROM, TO, END, ANSWER, OTHERS, LINGER, DOMAIN };
    static const struct option options[] = {
        {"agent", 1, 0, AGENT}, {"trunk", 1, 0, TRUNK}, {"cloud", 1, 0, CLOUD}, {"rate", 1, 0, RATE},
        {"seconds", 1, 0, SECONDS}, {"hold", 1, 0, HOLD}, {"patience", 1, 0, PATIENCE}, {"from", 1, 0, FROM}, {"to", 1, 0, TO},
        {"end", 1, 0, END}, {"answer", 1, 0, ANSWER}, {"others", 1, 0, OTHERS}, {"linger", 1, 0, LINGER}, {"domain", 1, 0, DOMAIN}, {0}};
    double rate = 500, seconds = 5, patience = 10, linger = 0;
    int o;
    recipe.from = pattern_read("step:+12125000000,1");
    recipe.to = pattern_read("+442071838750");
    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (o) {
        case AGENT: agent = endpoint(optarg, agent_text); break;
        case TRUNK: trunk = endpoint(optarg, trunk_text); break;
        case CLOUD: cloud = endpoint(optarg, cloud_text); break;
        case RATE: rate = atof(optarg); break;
        case SECONDS: seconds = atof(optarg); break;
        case HOLD: hold = atof(optarg) / 1000; break;
        case PATIENCE: patience = atof(optarg); break;
        case FROM: recipe.from = pattern_read(optarg); break;
        case TO: recipe.to = pattern_read(optarg); break;
        case END: ending = *optarg == 'b' ? BYE : *optarg == 'n' ? NONE : CANCEL; break;
        case ANSWER: answer = atoi(optarg); break;
        case OTHERS: other_answer = atoi(optarg); break;
        case LINGER: linger = atof(optarg); break;
        case DOMAIN: domain = optarg; break;
        default: return 2;
        }
    if (!agent.sin_port || !trunk.sin_port || !cloud.sin_port)
        die("--agent, --trunk and --cloud are needed");
    trunk_socket = open_at(&trunk);
    cloud_socket = open_at(&cloud);
    total = (uint64_t)(rate * seconds);
    calls = calloc(total + 1, sizeof *calls);
    snprintf(run, sizeof run, "%08x", (unsigned)((uint64_t)(now() * 1e6) ^ (uint64_t)getpid() << 16));
    printf("ready\n"); /* its ports are bound */
    fflush(stdout);

    double began = now(), next = 0, end = began + seconds + patience;
    for (uint64_t i = 0; i < total; i++)
        calls[i].due = began + (double)i / rate;
    for (double t = began; t < end; t = now()) {
        struct pollfd fds[2] = {{trunk_socket, POLLIN, 0}, {cloud_socket, POLLIN, 0}};
        if (poll(fds, 2, 1) > 0) {
            take(cloud_socket, at_cloud);
            take(trunk_socket, at_trunk);
        }
        start_calls(t);
        if (t >= next) {
            look_after(t);
            next = t + 0.005;
        }
        if (begun == total && oldest == total && end > t + linger)
            end = t + linger;
    }
    uint64_t open = 0;
    for (uint64_t i = 0; i < begun; i++)
        open += !calls[i].over;
    printf("{\"sent\": %llu, \"arrived\": %llu, \"answered\": %llu, \"acked\": %llu, \"byes\": %llu, \"byes_arrived\": %llu, "
           "\"completed\": %llu, \"open\": %llu, \"repeats\": %llu, \"strays\": %llu, \"others\": %llu,\n",
           (unsigned long long)begun, (unsigned long long)arrived, (unsigned long long)answered, (unsigned long long)acked,
           (unsigned long long)byes, (unsigned long long)byes_arrived, (unsigned long long)completed, (unsigned long long)open,
           (unsigned long long)repeats, (unsigned long long)strays, (unsigned long long)others);
    printf(" \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, \"answer_p99_ms\": %.3f, \"late_p99_ms\": %.3f, \"refused\": {",
           quantile(AT(sent), AT(arrived), 0.5), quantile(AT(sent), AT(arrived), 0.99), quantile(AT(sent), AT(arrived), 1),
           quantile(AT(sent), AT(answered), 0.99), quantile(AT(due), AT(sent), 0.99));
    for (int i = 0, some = 0; i < 700; i++)
        if (refused[i])
            printf("%s\"%d\": %llu", some++ ? ", " : "", i, (unsigned long long)refused[i]);
    printf("}, \"by_method\": {\"INVITE\": %llu, \"ACK\": %llu, \"BYE\": %llu, \"CANCEL\": %llu, \"REGISTER\": %llu, "
           "\"OPTIONS\": %llu}}\n", (unsigned long long)by_method[0], (unsigned long long)by_method[1],
           (unsigned long long)by_method[2], (unsigned long long)by_method[3], (unsigned long long)by_method[4],
           (unsigned long long)by_method[5]);
    return 0;
}
