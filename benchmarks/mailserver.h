/* What the parts of the benchmarks' mail server share: steps that can be delayed, and what is said in them.
 *
 * The parts: mailserver.c has the event loop, mailserver_dialogue.c what is said in IMAP, POP3 and SMTP, and
 * mailserver_dns.c what is answered to DNS questions. The last two do no I/O and have no clock. */

#ifndef MAILSERVER_H
#define MAILSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protocol { IMAP, POP3, SMTP };

/* The steps of a client's probe, each with a delay of its own, and what is never delayed. */
enum step { AT_ONCE, DNS, GREETING, CAPABILITY, STARTTLS, TLS, AUTH, QUIT, STEPS };

/* What comes after an answer. */
enum next { GO_ON, BECOME_TLS, HANG_UP };

/* Octets of a line that is read; RFC 2449 and RFC 5321 want at most 512 of a client. */
enum { MAX_LINE = 1024, MAX_ANSWER = 2 * MAX_LINE, MAX_DATAGRAM = 512 };

struct answer {
    enum step step;
    enum next next;
    size_t length;
    char text[MAX_ANSWER];
};

/* What a server remembers of a client that it talks to. */
struct session {
    enum protocol protocol;
    bool encrypted;
    bool logged_in;
    bool named_right; /* The last name said in two parts, by USER or to a prompt, is the user's. */
    enum { COMMAND, SASL_PLAIN, SASL_LOGIN_NAME, SASL_LOGIN_PASSWORD } expected;
    char tag[MAX_LINE]; /* IMAP: of the command being answered. */
};

/* The one login that is taken; both are there for the whole run, and short. Returns whether they are short enough. */
bool take_login(const char *username, const char *password);

/* What a client is greeted with. */
void greet(struct session *session, struct answer *answer);

/* What a line, without its ending, is answered with. The line is written into. */
void respond(struct session *session, char *line, struct answer *answer);

/* What a datagram is answered with, into `answer` of MAX_DATAGRAM octets; returns its length, 0 for no answer. */
size_t answer_question(const uint8_t *question, size_t length, uint8_t *answer);

#endif
