/* What the benchmarks' mail server says in IMAP, POP3 and SMTP: one line comes in, one answer goes out. No I/O here.
 *
 * It knows what a probe says, and one login. What a session may do where is judged only as far as a probe could notice:
 * a wrong password is rejected, and STARTTLS is not offered twice. */

#include "mailserver.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MAX_LOGIN = 100 };

/* The login in the forms in which clients send it. */
static const char *right_name, *right_password;
static char name_base64[2 * MAX_LOGIN], password_base64[2 * MAX_LOGIN], plain_base64[4 * MAX_LOGIN];

/* What the protocols have in common, in their words. */
static const struct words {
    const char *prompt, *go_ahead, *taken, *rejected, *refused, *unknown;
} words[] = {
    [IMAP] = {"+ ", "OK begin TLS", "OK logged in", "NO [AUTHENTICATIONFAILED] wrong name or password", "NO not now",
              "BAD unknown"},
    [POP3] = {"+ ", "+OK begin TLS", "+OK logged in", "-ERR [AUTH] wrong name or password", "-ERR not now",
              "-ERR unknown"},
    [SMTP] = {"334 ", "220 begin TLS", "235 2.7.0 logged in", "535 5.7.8 wrong name or password", "503 5.5.1 not now",
              "500 5.5.2 unknown"},
};

static void encode(const char *octets, size_t length, char *encoded) {
    EVP_EncodeBlock((unsigned char *)encoded, (const unsigned char *)octets, (int)length);
}

bool take_login(const char *username, const char *password) {
    size_t name = strlen(username), word = strlen(password);
    if (name > MAX_LOGIN || word > MAX_LOGIN)
        return false;
    /* RFC 4616 section 2: [authzid] NUL authcid NUL passwd. */
    char plain[2 * MAX_LOGIN + 2] = {0};
    memcpy(plain + 1, username, name);
    memcpy(plain + 2 + name, password, word);
    encode(username, name, name_base64);
    encode(password, word, password_base64);
    encode(plain, name + word + 2, plain_base64);
    right_name = username;
    right_password = password;
    return true;
}

/* Add to the answer. What does not fit is cut off; nothing said here is that long. */
__attribute__((format(printf, 2, 3))) static void say(struct answer *answer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t room = MAX_ANSWER - answer->length;
    int length = vsnprintf(answer->text + answer->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        answer->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* Add the line that ends the answer, tagged where the protocol has tags. */
static void end(struct session *session, struct answer *answer, const char *text) {
    if (session->protocol == IMAP)
        say(answer, "%s ", session->tag);
    say(answer, "%s\r\n", text);
}

/* Take the first word of a text: it is ended with NUL, and what follows it is returned. */
static char *after_word(char *text) {
    char *rest = text + strcspn(text, " ");
    if (*rest)
        *rest++ = '\0';
    return rest;
}

/* The same for an IMAP string, quoted or not (RFC 9051 4.3); `word` becomes what it says. */
static char *after_string(char *text, char **word) {
    *word = text;
    if (*text != '"')
        return after_word(text);
    char *from = text + 1, *to = text;
    while (*from && *from != '"') {
        if (*from == '\\' && from[1])
            from++;
        *to++ = *from++;
    }
    if (*from)
        from++;
    *to = '\0';
    return from + (*from == ' ');
}

static void judge(struct session *session, struct answer *answer, bool right) {
    session->logged_in = session->logged_in || right;
    answer->step = AUTH;
    end(session, answer, right ? words[session->protocol].taken : words[session->protocol].rejected);
}

static void ask_for(struct session *session, struct answer *answer, int expected, const char *challenge) {
    session->expected = expected;
    say(answer, "%s%s\r\n", words[session->protocol].prompt, challenge);
}

/* AUTH and AUTHENTICATE: SASL PLAIN (RFC 4616), and LOGIN, which is what the monitoring plugins know of SMTP. */
static void authenticate(struct session *session, char *arguments, struct answer *answer) {
    char *response = after_word(arguments);
    if (strcasecmp(arguments, "PLAIN") == 0 && *response)
        judge(session, answer, strcmp(response, plain_base64) == 0);
    else if (strcasecmp(arguments, "PLAIN") == 0)
        ask_for(session, answer, SASL_PLAIN, "");
    else if (strcasecmp(arguments, "LOGIN") == 0)
        ask_for(session, answer, SASL_LOGIN_NAME, "VXNlcm5hbWU6");
    else
        end(session, answer, words[session->protocol].unknown);
}

/* A line of a SASL exchange. */
static void go_on_with_sasl(struct session *session, const char *response, struct answer *answer) {
    int expected = session->expected;
    session->expected = COMMAND;
    switch (expected) {
    case SASL_PLAIN:
        judge(session, answer, strcmp(response, plain_base64) == 0);
        break;
    case SASL_LOGIN_NAME:
        session->named_right = strcmp(response, name_base64) == 0;
        ask_for(session, answer, SASL_LOGIN_PASSWORD, "UGFzc3dvcmQ6");
        break;
    default:
        judge(session, answer, session->named_right && strcmp(response, password_base64) == 0);
    }
}

static void starttls(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = STARTTLS;
    if (!session->encrypted)
        answer->next = BECOME_TLS;
    end(session, answer, session->encrypted ? words[session->protocol].refused : words[session->protocol].go_ahead);
}

static void imap_capability(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = CAPABILITY;
    say(answer, "* CAPABILITY IMAP4rev1 SASL-IR%s AUTH=PLAIN\r\n", session->encrypted ? "" : " STARTTLS");
    end(session, answer, "OK done");
}

static void imap_login(struct session *session, char *arguments, struct answer *answer) {
    char *name, *password;
    after_string(after_string(arguments, &name), &password);
    judge(session, answer, strcmp(name, right_name) == 0 && strcmp(password, right_password) == 0);
}

static void imap_status(struct session *session, char *arguments, struct answer *answer) {
    char *mailbox;
    after_string(arguments, &mailbox);
    if (session->logged_in)
        say(answer, "* STATUS \"%s\" (MESSAGES 0 UNSEEN 0)\r\n", mailbox);
    end(session, answer, session->logged_in ? "OK done" : "NO log in first");
}

static void imap_examine(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    if (session->logged_in)
        say(answer, "* 0 EXISTS\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 1] empty\r\n");
    end(session, answer, session->logged_in ? "OK [READ-ONLY] done" : "NO log in first");
}

static void imap_noop(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    end(session, answer, "OK done");
}

static void imap_logout(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = QUIT;
    answer->next = HANG_UP;
    say(answer, "* BYE bye\r\n");
    end(session, answer, "OK done");
}

static void pop3_capa(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = CAPABILITY;
    say(answer, "+OK they are\r\nUSER\r\nSASL PLAIN\r\n%s.\r\n", session->encrypted ? "" : "STLS\r\n");
}

static void pop3_user(struct session *session, char *arguments, struct answer *answer) {
    session->named_right = strcmp(arguments, right_name) == 0;
    end(session, answer, "+OK and who says so?");
}

static void pop3_pass(struct session *session, char *arguments, struct answer *answer) {
    judge(session, answer, session->named_right && strcmp(arguments, right_password) == 0);
}

static void pop3_stat(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    end(session, answer, session->logged_in ? "+OK 0 0" : "-ERR log in first");
}

static void pop3_noop(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    end(session, answer, "+OK done");
}

static void pop3_quit(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = QUIT;
    answer->next = HANG_UP;
    end(session, answer, "+OK bye");
}

static void smtp_ehlo(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = CAPABILITY;
    say(answer, "250-mail.bench.example\r\n%s250-AUTH PLAIN LOGIN\r\n250-SIZE 1000000\r\n",
        session->encrypted ? "" : "250-STARTTLS\r\n");
    end(session, answer, "250 PIPELINING");
}

static void smtp_ok(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    end(session, answer, "250 2.0.0 done");
}

static void smtp_quit(struct session *session, char *arguments, struct answer *answer) {
    (void)arguments;
    answer->step = QUIT;
    answer->next = HANG_UP;
    end(session, answer, "221 2.0.0 bye");
}

/* Every command there is, by protocol; the end of each list has no verb. */
static const struct command {
    const char *verb;
    void (*answer)(struct session *, char *arguments, struct answer *);
} commands[][12] = {
    [IMAP] = {{"CAPABILITY", imap_capability},
              {"STARTTLS", starttls},
              {"LOGIN", imap_login},
              {"AUTHENTICATE", authenticate},
              {"STATUS", imap_status},
              {"EXAMINE", imap_examine},
              {"NOOP", imap_noop},
              {"LOGOUT", imap_logout}},
    [POP3] = {{"CAPA", pop3_capa},
              {"STLS", starttls},
              {"USER", pop3_user},
              {"PASS", pop3_pass},
              {"AUTH", authenticate},
              {"STAT", pop3_stat},
              {"NOOP", pop3_noop},
              {"QUIT", pop3_quit}},
    [SMTP] = {{"EHLO", smtp_ehlo},
              {"HELO", smtp_ok},
              {"STARTTLS", starttls},
              {"AUTH", authenticate},
              {"MAIL", smtp_ok},
              {"RCPT", smtp_ok},
              {"RSET", smtp_ok},
              {"NOOP", smtp_ok},
              {"QUIT", smtp_quit}},
};

static void begin(struct answer *answer) {
    answer->step = AT_ONCE;
    answer->next = GO_ON;
    answer->length = 0;
}

void greet(struct session *session, struct answer *answer) {
    static const char *const greetings[] = {
        [IMAP] = "* OK ready", [POP3] = "+OK ready", [SMTP] = "220 mail.bench.example ESMTP ready"};
    begin(answer);
    answer->step = GREETING;
    say(answer, "%s\r\n", greetings[session->protocol]);
}

void respond(struct session *session, char *line, struct answer *answer) {
    begin(answer);
    if (session->expected != COMMAND) {
        go_on_with_sasl(session, line, answer);
        return;
    }
    char *verb = line;
    if (session->protocol == IMAP) {
        verb = after_word(line);
        strcpy(session->tag, *line ? line : "*"); /* It fits: the line is no longer than a tag may be. */
    }
    char *arguments = after_word(verb);
    for (const struct command *command = commands[session->protocol]; command->verb; command++)
        if (strcasecmp(verb, command->verb) == 0) {
            command->answer(session, arguments, answer);
            return;
        }
    end(session, answer, words[session->protocol].unknown);
}
