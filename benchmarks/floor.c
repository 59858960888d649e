/* The floor: the least that a probe of an IMAP server takes, one at a time, in C on OpenSSL with blocking sockets.
 *
 * Look the name up (only where a nameserver is given), connect, TLS with the chain and the name verified, greeting,
 * login, logout, close; with --starttls also the capabilities, and the upgrade. Every connection is new to the server.
 * Prints the CPU time of a probe and how long each phase took (the median) as one line of JSON. Whatever goes wrong
 * ends it. With --busy nobody sleeps while waiting: how fast the machine wakes up is not in the figures then. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum phase { DNS, CONNECT, GREETING, CAPABILITY, STARTTLS, TLS, AUTH, QUIT, TOTAL, PHASES };

static const char *const phase_names[PHASES] = {"dns", "connect", "greeting", "capability", "starttls",
                                                "tls", "auth",    "quit",     "total"};

static const char *name, *username, *password;
static struct sockaddr_in server = {.sin_family = AF_INET}, nameserver = {.sin_family = AF_INET};
static bool upgrade, busy;
static SSL_CTX *context;

struct probe {
    int fd;
    SSL *ssl;
    size_t received;
    char input[4096];
    enum phase phase;
    uint64_t entered; /* When the phase began. */
    uint64_t spent[PHASES];
};

static uint64_t clock_ns(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* A phase begins, and the one before it ends. A phase that comes twice is the sum. */
static void enter(struct probe *probe, enum phase phase) {
    uint64_t time = clock_ns(CLOCK_MONOTONIC);
    probe->spent[probe->phase] += time - probe->entered;
    probe->phase = phase;
    probe->entered = time;
}

/* Whether something that did not succeed is to be tried again: there is nothing to be read yet, and nobody sleeps. */
static bool again(struct probe *probe, int result) {
    if (!busy)
        return false;
    return probe->ssl ? SSL_get_error(probe->ssl, result) == SSL_ERROR_WANT_READ : result < 0 && errno == EAGAIN;
}

static void say(struct probe *probe, const char *text) {
    int length = (int)strlen(text);
    int sent = probe->ssl ? SSL_write(probe->ssl, text, length) : (int)send(probe->fd, text, (size_t)length, 0);
    if (sent != length)
        errx(1, "cannot send in phase %s", phase_names[probe->phase]);
}

/* Read lines to the one that begins with a tag, and make sure that it says OK. */
static void hear_ok(struct probe *probe, const char *tag) {
    for (;;) {
        char *feed;
        while ((feed = memchr(probe->input, '\n', probe->received))) {
            bool tagged = strncmp(probe->input, tag, strlen(tag)) == 0;
            if (tagged && strncmp(probe->input + strlen(tag), " OK", 3) != 0)
                errx(1, "refused in phase %s: %.*s", phase_names[probe->phase], (int)(feed - probe->input),
                     probe->input);
            probe->received -= (size_t)(feed + 1 - probe->input);
            memmove(probe->input, feed + 1, probe->received);
            if (tagged)
                return;
        }
        /* One octet stays free, so that comparing ends at a NUL. */
        int room = (int)(sizeof probe->input - 1 - probe->received);
        char *end = probe->input + probe->received;
        int count;
        do
            count = probe->ssl ? SSL_read(probe->ssl, end, room) : (int)recv(probe->fd, end, (size_t)room, 0);
        while (count <= 0 && again(probe, count));
        if (count <= 0)
            errx(1, "the connection ends in phase %s", phase_names[probe->phase]);
        probe->received += (size_t)count;
    }
}

/* Ask for the addresses of both families at once, and wait for both answers. */
static void look_up(void) {
    static uint8_t question[64] = {0, 0, 1, 0, 0, 1}; /* RFC 1035 4.1.1: RD, one question. */
    static const char labels[] = "\5floor\5bench\7example";
    enum { HEADER = 12, A = 1, AAAA = 28 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&nameserver, sizeof nameserver) != 0)
        err(1, "cannot ask the nameserver");
    memcpy(question + HEADER, labels, sizeof labels);
    uint8_t *type = question + HEADER + sizeof labels;
    type[3] = 1; /* IN */
    for (int rdtype = A; rdtype <= AAAA; rdtype += AAAA - A) {
        question[1] = type[1] = (uint8_t)rdtype;
        if (send(fd, question, HEADER + sizeof labels + 4, 0) < 0)
            err(1, "cannot ask the nameserver");
    }
    for (int answers = 0; answers < 2; answers++) {
        uint8_t answer[512];
        ssize_t count;
        do
            count = recv(fd, answer, sizeof answer, busy ? MSG_DONTWAIT : 0);
        while (count < 0 && busy && errno == EAGAIN);
        if (count < HEADER)
            err(1, "the nameserver does not answer");
    }
    close(fd);
}

/* When our first words in a handshake had left, and the server's first came. */
static uint64_t hello_left, answer_came;

static void note_turns(int writing, int version, int kind, const void *octets, size_t length, SSL *ssl, void *unused) {
    (void)version, (void)octets, (void)length, (void)ssl, (void)unused;
    if (kind != SSL3_RT_HANDSHAKE)
        return;
    if (writing && !hello_left)
        hello_left = clock_ns(CLOCK_MONOTONIC);
    else if (!writing && !answer_came)
        answer_came = clock_ns(CLOCK_MONOTONIC);
}

/* What is counted of it is the server's part: in TLS 1.3 one turn, and our own computing before and after is not in it. */
static void shake_hands(struct probe *probe) {
    enter(probe, TOTAL);
    hello_left = answer_came = 0;
    probe->ssl = SSL_new(context);
    if (!probe->ssl || SSL_set_fd(probe->ssl, probe->fd) != 1 || SSL_set1_host(probe->ssl, name) != 1 ||
        SSL_set_tlsext_host_name(probe->ssl, name) != 1)
        errx(1, "cannot begin the handshake");
    int result;
    do
        result = SSL_connect(probe->ssl);
    while (result != 1 && again(probe, result));
    if (result != 1) {
        ERR_print_errors_fp(stderr);
        errx(1, "no handshake");
    }
    probe->spent[TLS] = answer_came - hello_left;
}

static void ask_capabilities(struct probe *probe, const char *tag, const char *line) {
    enter(probe, CAPABILITY);
    say(probe, line);
    hear_ok(probe, tag);
}

static void run(struct probe *probe) {
    char login[512];
    *probe = (struct probe){.phase = TOTAL, .entered = clock_ns(CLOCK_MONOTONIC)};
    if (nameserver.sin_port) {
        enter(probe, DNS);
        look_up();
    }
    enter(probe, CONNECT);
    probe->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(probe->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(probe->fd, (struct sockaddr *)&server, sizeof server) != 0)
        err(1, "cannot connect");
    if (busy)
        fcntl(probe->fd, F_SETFL, O_NONBLOCK);
    if (!upgrade)
        shake_hands(probe);
    enter(probe, GREETING);
    hear_ok(probe, "*");
    if (upgrade) {
        ask_capabilities(probe, "a1", "a1 CAPABILITY\r\n");
        enter(probe, STARTTLS);
        say(probe, "a2 STARTTLS\r\n");
        hear_ok(probe, "a2");
        shake_hands(probe);
        ask_capabilities(probe, "a3", "a3 CAPABILITY\r\n");
    }
    enter(probe, AUTH);
    snprintf(login, sizeof login, "a4 LOGIN \"%s\" \"%s\"\r\n", username, password);
    say(probe, login);
    hear_ok(probe, "a4");
    enter(probe, QUIT);
    say(probe, "a5 LOGOUT\r\n");
    hear_ok(probe, "a5");
    enter(probe, TOTAL);
    SSL_shutdown(probe->ssl);
    SSL_free(probe->ssl);
    close(probe->fd);
    probe->spent[TOTAL] = 0;
    for (enum phase phase = 0; phase < TOTAL; phase++)
        probe->spent[TOTAL] += probe->spent[phase];
}

static int by_size(const void *one, const void *other) {
    uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;
    return (left > right) - (left < right);
}

static uint16_t port(const char *text) {
    int number = atoi(text);
    if (number < 1 || number > UINT16_MAX)
        errx(2, "not a port: %s", text);
    return htons((uint16_t)number);
}

static SSL_CTX *verifying(const char *ca_file) {
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());
    if (!made || !ca_file || SSL_CTX_load_verify_locations(made, ca_file, NULL) != 1 ||
        SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) != 1)
        errx(2, "--ca-file is missing or cannot be used");
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(made, 1);
    SSL_CTX_set_msg_callback(made, note_turns);
    return made;
}

int main(int argument_count, char **arguments) {
    static const struct option options[] = {
        {"address", required_argument, NULL, 'a'},  {"port", required_argument, NULL, 'p'},
        {"dns-port", required_argument, NULL, 'd'}, {"ca-file", required_argument, NULL, 'c'},
        {"name", required_argument, NULL, 'n'},     {"username", required_argument, NULL, 'u'},
        {"password", required_argument, NULL, 'w'}, {"probes", required_argument, NULL, 'N'},
        {"warm-up", required_argument, NULL, 'W'},  {"starttls", no_argument, NULL, 's'},
        {"busy", no_argument, NULL, 'b'},
        {0},
    };
    const char *ca_file = NULL, *address = "127.0.0.1";
    long probes = 100, warm_up = 10;
    for (int option; (option = getopt_long(argument_count, arguments, "", options, NULL)) != -1;)
        switch (option) {
        case 'a': address = optarg; break;
        case 'p': server.sin_port = port(optarg); break;
        case 'd': nameserver.sin_port = port(optarg); break;
        case 'c': ca_file = optarg; break;
        case 'n': name = optarg; break;
        case 'u': username = optarg; break;
        case 'w': password = optarg; break;
        case 'N': probes = atol(optarg); break;
        case 'W': warm_up = atol(optarg); break;
        case 'b': busy = true; break;
        case 's': upgrade = true; break;
        default: return 2;
        }
    if (!server.sin_port || !name || !username || !password || probes < 1 || warm_up < 0 || optind != argument_count ||
        inet_pton(AF_INET, address, &server.sin_addr) != 1)
        errx(2, "usage: floor --port N --ca-file PEM --name NAME --username TEXT --password TEXT [--address IPV4] "
                "[--dns-port N] [--probes N] [--warm-up N] [--starttls] [--busy]");
    nameserver.sin_addr = server.sin_addr;
    context = verifying(ca_file);

    struct probe probe;
    uint64_t *spent[PHASES], cpu = 0;
    for (enum phase phase = 0; phase < PHASES; phase++)
        if (!(spent[phase] = calloc((size_t)probes, sizeof(uint64_t))))
            errx(1, "out of memory");
    for (long done = -warm_up; done < probes; done++) {
        if (done == 0)
            cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        run(&probe);
        for (enum phase phase = 0; done >= 0 && phase < PHASES; phase++)
            spent[phase][done] = probe.spent[phase];
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;

    printf("{\"probes\": %ld, \"cpu_ns\": %llu", probes, (unsigned long long)cpu / (unsigned long)probes);
    for (enum phase phase = 0; phase < PHASES; phase++) {
        qsort(spent[phase], (size_t)probes, sizeof(uint64_t), by_size);
        printf(", \"%s_ns\": %llu", phase_names[phase], (unsigned long long)spent[phase][probes / 2]);
        free(spent[phase]);
    }
    printf("}\n");
    SSL_CTX_free(context);
    return 0;
}
