/* What the benchmarks' nameserver answers: 127.0.0.1 for every name, to be kept by nobody. No I/O here. */

#include "mailserver.h"

#include <string.h>

enum { HEADER = 12, TYPE_A = 1, CLASS_IN = 1 };

/* RFC 1035 4.1.3: the name in the question, A, IN, TTL 0, four octets. */
static const uint8_t a_record[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1};

/* RFC 2308 section 2.2: no data is told by the zone's SOA. The root's, TTL and MINIMUM 0: for this moment only. */
static const uint8_t soa_record[] = {0, 0, 6, 0, 1, 0, 0, 0, 0, 0, 22, /* root, SOA, IN, TTL, length */
                                     0, 0,                             /* MNAME, RNAME: root */
                                     0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0};

size_t answer_question(const uint8_t *question, size_t length, uint8_t *answer) {
    /* Queries with one question only (RFC 1035 4.1.1). */
    if (length < HEADER || (question[2] & 0xf8) != 0 || question[4] != 0 || question[5] != 1)
        return 0;
    size_t at = HEADER;
    while (at < length && question[at] != 0 && question[at] < 64) /* RFC 1035 2.3.4: a label's length. */
        at += question[at] + 1u;
    size_t end = at + 5; /* The root, QTYPE and QCLASS. */
    if (end > length || question[at] != 0 || end + sizeof soa_record > MAX_DATAGRAM)
        return 0;
    bool is_a = question[at + 1] == 0 && question[at + 2] == TYPE_A && question[at + 3] == 0 &&
                question[at + 4] == CLASS_IN;
    memcpy(answer, question, end);
    answer[2] = 0x84 | (question[2] & 1); /* QR, AA, and RD as it came */
    answer[3] = 0x80;                     /* RA, NOERROR */
    answer[7] = is_a ? 1 : 0;             /* ANCOUNT */
    answer[9] = is_a ? 0 : 1;             /* NSCOUNT */
    answer[6] = answer[8] = answer[10] = answer[11] = 0;
    const uint8_t *record = is_a ? a_record : soa_record;
    size_t size = is_a ? sizeof a_record : sizeof soa_record;
    memcpy(answer + end, record, size);
    return end + size;
}
