/* A mail server to measure clients with: so cheap and so punctual that what is measured is the client.
 *
 * One process and one thread serve IMAP, POP3 and SMTP on loopback, each with TLS from the start and with the upgrade
 * to it, and DNS. Every step of a session can be delayed by a time of its own: the waits of one step all take equally
 * long, so they end in the order in which they began, and a queue for each step is all the bookkeeping they need.
 *
 * It says where it listens as one line of JSON, and serves until its input ends or a SIGTERM comes. Its last line says
 * how late it was itself with what it delayed. What is said to clients stands in mailserver_dialogue.c. */

#define _GNU_SOURCE
#include "mailserver.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64, BACKLOG = 4096, BUCKETS = 10000, BUCKET_NS = 10000 };

/* A processor that sleeps needs up to 0.3 ms to wake: for so long before something is due, nobody sleeps. */
enum { AWAKE_NS = 300000 };

/* Something that happens when its time has come. */
struct wait {
    uint64_t due; /* CLOCK_MONOTONIC, ns */
    struct wait *before, *after;
    void (*over)(struct wait *);
    enum step step;
    bool under_way;
};

/* What epoll reports something about. */
struct source {
    int fd;
    void (*ready)(struct source *);
};

struct listener {
    struct source source;
    const char *scheme;
    enum protocol protocol;
    bool tls;
};

struct connection {
    struct source source;
    struct wait wait;
    struct session session;
    struct answer answer;
    SSL *ssl;
    bool tls_first;
    enum { HELLO, HANDSHAKE, TALK, GOODBYE, CLOSED } stage;
    size_t received;
    char input[MAX_LINE];
    struct connection *next_closed;
};

struct question {
    struct wait wait;
    struct sockaddr_in from;
    size_t length;
    uint8_t answer[MAX_DATAGRAM];
};

static const char *const step_names[STEPS] = {
    [DNS] = "dns",           [GREETING] = "greeting", [CAPABILITY] = "capability",
    [STARTTLS] = "starttls", [TLS] = "tls",           [AUTH] = "auth",
    [QUIT] = "quit",
};

static uint64_t delays[STEPS]; /* ns */
static struct wait *first[STEPS], *last[STEPS];
static uint32_t late[BUCKETS]; /* How many waits ended so late. */
static struct connection *closed;
static SSL_CTX *context;
static int poller;
static struct source timer, nameserver;
static bool stopped;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void watch(struct source *source) {
    /* Edges: a connection is read until nothing is left, so that one call registers it for good. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = source};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, source->fd, &event) != 0)
        err(1, "cannot watch descriptor %d", source->fd);
}

/* Waits. */

static void begin_wait(struct wait *wait, enum step step) {
    wait->step = step;
    wait->due = now() + delays[step];
    wait->under_way = true;
    wait->before = last[step];
    wait->after = NULL;
    *(last[step] ? &last[step]->after : &first[step]) = wait;
    last[step] = wait;
}

static void end_wait(struct wait *wait) {
    *(wait->before ? &wait->before->after : &first[wait->step]) = wait->after;
    *(wait->after ? &wait->after->before : &last[wait->step]) = wait->before;
    wait->under_way = false;
}

/* End every wait whose time has come, the most urgent first; returns when the next one ends, 0 if there is none. */
static uint64_t end_due_waits(void) {
    for (;;) {
        struct wait *next = NULL;
        for (enum step step = 0; step < STEPS; step++)
            if (first[step] && (!next || first[step]->due < next->due))
                next = first[step];
        if (!next)
            return 0;
        uint64_t time = now();
        if (next->due > time)
            return next->due;
        uint64_t bucket = (time - next->due) / BUCKET_NS;
        late[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
        end_wait(next);
        next->over(next);
    }
}

static void set_timer(uint64_t due) {
    static uint64_t set;
    if (due == set)
        return;
    set = due;
    struct itimerspec spec = {.it_value = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)}};
    if (timerfd_settime(timer.fd, TFD_TIMER_ABSTIME, &spec, NULL) != 0)
        err(1, "timerfd_settime");
}

static void timer_ready(struct source *source) {
    uint64_t expirations;
    /* The loop ends the waits; this only takes the news. */
    if (read(source->fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        err(1, "timerfd");
}

/* Connections. Those that end are kept until no event of this turn can be about them any more. */

static void drop(struct connection *connection) {
    if (connection->wait.under_way)
        end_wait(&connection->wait);
    SSL_free(connection->ssl);
    close(connection->source.fd);
    connection->stage = CLOSED;
    connection->next_closed = closed;
    closed = connection;
}

static void free_closed(void) {
    while (closed) {
        struct connection *next = closed->next_closed;
        free(closed);
        closed = next;
    }
}

/* Read once. Returns the octets read, 0 if there are none for now, -1 if the connection is at its end. */
static int receive(struct connection *connection, char *octets, size_t room) {
    if (!connection->ssl) {
        ssize_t count = recv(connection->source.fd, octets, room, 0);
        return count > 0 ? (int)count : count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    ERR_clear_error();
    int count = SSL_read(connection->ssl, octets, (int)room);
    return count > 0 ? count : SSL_get_error(connection->ssl, count) == SSL_ERROR_WANT_READ ? 0 : -1;
}

/* Send the answer that was made. One that does not fit at once is to a client that does not read: it is dropped. */
static bool send_answer(struct connection *connection) {
    int length = (int)connection->answer.length;
    ERR_clear_error();
    if (connection->ssl)
        return SSL_write(connection->ssl, connection->answer.text, length) == length;
    return send(connection->source.fd, connection->answer.text, (size_t)length, MSG_NOSIGNAL) == length;
}

static bool begin_tls(struct connection *connection) {
    connection->stage = HELLO;
    connection->session.encrypted = true;
    connection->ssl = SSL_new(context);
    if (!connection->ssl || SSL_set_fd(connection->ssl, connection->source.fd) != 1)
        return false;
    SSL_set_accept_state(connection->ssl);
    return true;
}

/* Send the answer and do what comes after it. Returns whether the connection goes on. */
static bool carry_out(struct connection *connection) {
    if (!send_answer(connection))
        return false;
    switch (connection->answer.next) {
    case BECOME_TLS:
        /* What was said in plain behind STARTTLS has no answer. */
        return connection->received == 0 && begin_tls(connection);
    case HANG_UP:
        connection->stage = GOODBYE;
        if (connection->ssl)
            SSL_shutdown(connection->ssl);
        /* The client's end is waited for: to close now would answer its close_notify with a reset. */
        shutdown(connection->source.fd, SHUT_WR);
        return true;
    default:
        return true;
    }
}

/* Give the answer when it is due. Returns whether the connection goes on at once. */
static bool answer(struct connection *connection) {
    if (delays[connection->answer.step]) {
        begin_wait(&connection->wait, connection->answer.step);
        return false;
    }
    if (carry_out(connection))
        return true;
    drop(connection);
    return false;
}

/* Take a line of what was received, read on if there is none. Returns whether it is there. */
static bool take_line(struct connection *connection, char *line) {
    for (;;) {
        char *feed = memchr(connection->input, '\n', connection->received);
        if (feed) {
            size_t length = (size_t)(feed - connection->input);
            memcpy(line, connection->input, length);
            line[length > 0 && line[length - 1] == '\r' ? length - 1 : length] = '\0';
            connection->received -= length + 1;
            memmove(connection->input, feed + 1, connection->received);
            return true;
        }
        size_t room = sizeof connection->input - connection->received;
        int count = room ? receive(connection, connection->input + connection->received, room) : -1;
        if (count <= 0) {
            if (count < 0)
                drop(connection);
            return false;
        }
        connection->received += (size_t)count;
    }
}

/* Whether the client has begun the handshake: its delay counts from there. */
static bool said_hello(struct connection *connection) {
    char octet;
    return recv(connection->source.fd, &octet, 1, MSG_PEEK) >= 0 || errno != EAGAIN;
}

/* Go on with a session as far as what came reaches. */
static void advance(struct connection *connection) {
    char line[MAX_LINE], rest[MAX_LINE];
    int result;
    for (;;)
        switch (connection->stage) {
        case HELLO:
            if (delays[TLS] && !said_hello(connection))
                return;
            connection->stage = HANDSHAKE;
            if (delays[TLS]) {
                begin_wait(&connection->wait, TLS);
                return;
            }
            break;
        case HANDSHAKE:
            ERR_clear_error();
            result = SSL_accept(connection->ssl);
            if (result != 1) {
                if (SSL_get_error(connection->ssl, result) != SSL_ERROR_WANT_READ)
                    drop(connection);
                return;
            }
            connection->stage = TALK;
            if (connection->tls_first) {
                greet(&connection->session, &connection->answer);
                if (!answer(connection))
                    return;
            }
            break;
        case TALK:
            if (!take_line(connection, line))
                return;
            respond(&connection->session, line, &connection->answer);
            if (!answer(connection))
                return;
            break;
        case GOODBYE:
            result = (int)recv(connection->source.fd, rest, sizeof rest, 0);
            if (result <= 0) {
                if (result == 0 || errno != EAGAIN)
                    drop(connection);
                return;
            }
            break;
        case CLOSED:
            return;
        }
}

static void connection_ready(struct source *source) {
    struct connection *connection = (struct connection *)source;
    /* What comes while an answer is due is read after it. */
    if (!connection->wait.under_way)
        advance(connection);
}

static void connection_waited(struct wait *wait) {
    struct connection *connection = (struct connection *)((char *)wait - offsetof(struct connection, wait));
    if (wait->step != TLS && !carry_out(connection))
        drop(connection);
    advance(connection);
}

static void begin_connection(const struct listener *listener, int fd) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        errx(1, "out of memory");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    connection->source = (struct source){fd, connection_ready};
    connection->wait.over = connection_waited;
    connection->session.protocol = listener->protocol;
    connection->tls_first = listener->tls;
    connection->stage = TALK;
    watch(&connection->source);
    if (listener->tls) {
        if (!begin_tls(connection))
            drop(connection);
        return;
    }
    greet(&connection->session, &connection->answer);
    if (answer(connection))
        advance(connection);
}

static void listener_ready(struct source *source) {
    const struct listener *listener = (struct listener *)source;
    for (;;) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && errno == EAGAIN)
            return;
        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0) /* Without a descriptor for every client, nothing that is measured would mean anything. */
            err(1, "accept");
        begin_connection(listener, fd);
    }
}

/* DNS. */

static void question_waited(struct wait *wait) {
    struct question *question = (struct question *)((char *)wait - offsetof(struct question, wait));
    sendto(nameserver.fd, question->answer, question->length, 0, (struct sockaddr *)&question->from,
           sizeof question->from);
    free(question);
}

static void nameserver_ready(struct source *source) {
    for (;;) {
        uint8_t octets[MAX_DATAGRAM];
        struct question *question = calloc(1, sizeof *question);
        if (!question)
            errx(1, "out of memory");
        socklen_t size = sizeof question->from;
        ssize_t count = recvfrom(source->fd, octets, sizeof octets, 0, (struct sockaddr *)&question->from, &size);
        question->length = count < 0 ? 0 : answer_question(octets, (size_t)count, question->answer);
        question->wait.over = question_waited;
        if (question->length && delays[DNS])
            begin_wait(&question->wait, DNS);
        else if (question->length)
            question_waited(&question->wait);
        else
            free(question);
        if (count < 0)
            return;
    }
}

/* From the command line to the end. */

static void input_ready(struct source *source) {
    char octets[64];
    stopped = read(source->fd, octets, sizeof octets) <= 0;
}

static void signal_ready(struct source *source) {
    (void)source;
    stopped = true;
}

static int bound(int type, const char *scheme) {
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        (type == SOCK_STREAM && listen(fd, BACKLOG) != 0) || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        err(1, "cannot listen for %s", scheme);
    printf("\"%s\": %d", scheme, ntohs(address.sin_port));
    return fd;
}

static void listen_everywhere(void) {
    static struct listener listeners[] = {
        {.scheme = "imap", .protocol = IMAP},       {.scheme = "imaps", .protocol = IMAP, .tls = true},
        {.scheme = "pop3", .protocol = POP3},       {.scheme = "pop3s", .protocol = POP3, .tls = true},
        {.scheme = "submission", .protocol = SMTP}, {.scheme = "submissions", .protocol = SMTP, .tls = true},
    };
    printf("{");
    for (size_t number = 0; number < sizeof listeners / sizeof *listeners; number++) {
        struct listener *listener = &listeners[number];
        listener->source = (struct source){bound(SOCK_STREAM, listener->scheme), listener_ready};
        watch(&listener->source);
        printf(", ");
    }
    nameserver = (struct source){bound(SOCK_DGRAM, "dns"), nameserver_ready};
    watch(&nameserver);
    printf("}\n");
    fflush(stdout);
}

/* From STEP=MICROSECONDS. */
static void set_delay(const char *argument) {
    const char *equals = strchr(argument, '=');
    for (enum step step = AT_ONCE + 1; equals && step < STEPS; step++)
        if (strlen(step_names[step]) == (size_t)(equals - argument) &&
            strncmp(step_names[step], argument, (size_t)(equals - argument)) == 0) {
            char *end;
            unsigned long microseconds = strtoul(equals + 1, &end, 10);
            if (*end == '\0' && end != equals + 1 && microseconds <= 60000000) {
                delays[step] = microseconds * 1000u;
                return;
            }
        }
    errx(2, "--delay %s: not STEP=MICROSECONDS with a step of a probe, and at most a minute", argument);
}

static SSL_CTX *tls_context(const char *chain, const char *key) {
    SSL_CTX *made = SSL_CTX_new(TLS_server_method());
    if (!made || SSL_CTX_use_certificate_chain_file(made, chain) != 1 ||
        SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION) != 1) {
        ERR_print_errors_fp(stderr);
        errx(2, "%s and %s cannot be used", chain, key);
    }
    /* A probe never resumes a session, and a ticket that nobody reads makes the system reset its connection. */
    SSL_CTX_set_options(made, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(made, 0);
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    /* Two calls of the system for a record would be twice the cost. */
    SSL_CTX_set_read_ahead(made, 1);
    return made;
}

static void read_command_line(int count, char **arguments) {
    static const struct option options[] = {
        {"chain", required_argument, NULL, 'c'},    {"key", required_argument, NULL, 'k'},
        {"username", required_argument, NULL, 'u'}, {"password", required_argument, NULL, 'p'},
        {"delay", required_argument, NULL, 'd'},    {0},
    };
    const char *chain = NULL, *key = NULL, *username = NULL, *password = NULL;
    for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
        switch (option) {
        case 'c': chain = optarg; break;
        case 'k': key = optarg; break;
        case 'u': username = optarg; break;
        case 'p': password = optarg; break;
        case 'd': set_delay(optarg); break;
        default: exit(2);
        }
    if (!chain || !key || !username || !password || optind != count)
        errx(2, "usage: mailserver --chain PEM --key PEM --username TEXT --password TEXT "
                "[--delay STEP=MICROSECONDS]...");
    if (!take_login(username, password))
        errx(2, "the username or the password is too long");
    context = tls_context(chain, key);
}

static void prepare_process(void) {
    static struct source input, signals;
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    signal(SIGPIPE, SIG_IGN);
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);
    poller = epoll_create1(EPOLL_CLOEXEC);
    input = (struct source){STDIN_FILENO, input_ready};
    signals = (struct source){signalfd(-1, &ending, SFD_CLOEXEC), signal_ready};
    timer = (struct source){timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), timer_ready};
    watch(&input);
    watch(&signals);
    watch(&timer);
}

/* By how many microseconds this part of all waits was at most late. */
static unsigned lateness(double part, uint64_t waits) {
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += late[bucket]) >= part * (double)waits && seen)
            return (bucket + 1) * (BUCKET_NS / 1000);
    return 0;
}

static void report_lateness(void) {
    uint64_t waits = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        waits += late[bucket];
    printf("{\"waits\": %llu, \"late_us\": {\"median\": %u, \"p99\": %u, \"max\": %u}}\n", (unsigned long long)waits,
           lateness(0.5, waits), lateness(0.99, waits), lateness(1, waits));
}

int main(int count, char **arguments) {
    read_command_line(count, arguments);
    prepare_process();
    listen_everywhere();
    while (!stopped) {
        uint64_t due = end_due_waits();
        bool soon = due && due < now() + AWAKE_NS;
        if (!soon)
            set_timer(due ? due - AWAKE_NS : 0);
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, soon ? 0 : -1);
        if (ready < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int event = 0; event < ready; event++) {
            struct source *source = events[event].data.ptr;
            source->ready(source);
            /* A handshake takes its time: what is due is not kept waiting for all of them. */
            end_due_waits();
        }
        free_closed();
    }
    report_lateness();
    SSL_CTX_free(context);
    return 0;
}
