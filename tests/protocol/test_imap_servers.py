"""Whole conversations, put together from what real servers were seen to say, with names and numbers changed.

For want of a record of a mailbox being looked at, that part is in the server's manner for Exchange, iCloud and Yahoo.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import pytest

from exporter import __version__
from exporter.model import Encryption, Endpoint, Facts, MailboxFacts, Mechanism, Protocol
from exporter.protocol.dialogue import Dialogue
from exporter.protocol.errands import converse
from exporter.protocol.imap import Imap
from tests.protocol.player import Cut, every_cut, play
from tests.protocol.samples import PLAIN, endpoint, login


@dataclass(frozen=True, slots=True)
class Server:
    """What a server says over TLS, and what the client says and learns.

    Attributes:
        said: The client's lines but for the tags.
        last: One capability that only the last announcement has.
    """

    script: bytes
    said: tuple[bytes, ...]
    facts: MailboxFacts
    last: str


STATUS: Final = b'STATUS "INBOX" (MESSAGES UNSEEN)'
STATUS_WITH_SIZE: Final = b'STATUS "INBOX" (MESSAGES UNSEEN SIZE)'
EXAMINE: Final = b'EXAMINE "INBOX"'
QUOTA: Final = b'GETQUOTAROOT "INBOX"'

SERVERS: Final = {
    "Dovecot 2.3": Server(
        b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN] "
        b"Dovecot (Debian) ready.\r\n"
        b"a1 OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES "
        b"THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS "
        b"LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS "
        b"BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY QUOTA] Logged in\r\n"
        b"* STATUS INBOX (MESSAGES 3 UNSEEN 2 SIZE 1533)\r\n"
        b"a2 OK Status completed (0.001 + 0.000 secs).\r\n"
        b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n"
        b"* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n"
        b"* 3 EXISTS\r\n* 1 RECENT\r\n"
        b"* OK [UNSEEN 2] First unseen.\r\n"
        b"* OK [UIDVALIDITY 1788254400] UIDs valid\r\n* OK [UIDNEXT 4] Predicted next UID\r\n"
        b"a3 OK [READ-ONLY] Examine completed (0.001 + 0.000 secs).\r\n"
        b'* QUOTAROOT INBOX "User quota"\r\n* QUOTA "User quota" (STORAGE 2 10240 MESSAGE 3 1000)\r\n'
        b"a4 OK Getquotaroot completed (0.001 + 0.000 secs).\r\n"
        b"* BYE Logging out\r\na5 OK Logout completed (0.001 + 0.000 secs).\r\n",
        (b"AUTHENTICATE PLAIN " + PLAIN, STATUS_WITH_SIZE, EXAMINE, QUOTA, b"LOGOUT"),
        MailboxFacts("INBOX", 3, 2, 1533, 2048, 10485760),
        "QUOTA",
    ),
    "Cyrus": Server(
        b"* OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE AUTH=CRAM-MD5 AUTH=PLAIN AUTH=GSSAPI AUTH=LOGIN "
        b"AUTH=DIGEST-MD5 SASL-IR] mail.example.com server ready\r\n"
        b"a1 OK [CAPABILITY IMAP4rev1 LITERAL+ ID ENABLE ACL RIGHTS=kxten QUOTA MAILBOX-REFERRALS NAMESPACE UIDPLUS "
        b"NO_ATOMIC_RENAME UNSELECT CHILDREN MULTIAPPEND BINARY CATENATE CONDSTORE ESEARCH SORT SORT=MODSEQ "
        b"SORT=DISPLAY THREAD=ORDEREDSUBJECT THREAD=REFERENCES ANNOTATEMORE LIST-EXTENDED WITHIN QRESYNC SCAN XLIST "
        b"X-REPLICATION URLAUTH URLAUTH=BINARY LOGINDISABLED COMPRESS=DEFLATE IDLE] User logged in "
        b"SESSIONID=<mail.example.com-11111-2222222222-3>\r\n"
        b"* STATUS INBOX (MESSAGES 12 UNSEEN 0)\r\na2 OK Completed\r\n"
        b"* 12 EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)\r\n"
        b"* OK [PERMANENTFLAGS ()] Ok\r\n* OK [UIDVALIDITY 1284019200] Ok\r\n* OK [UIDNEXT 29] Ok\r\n"
        b"* OK [HIGHESTMODSEQ 53] Ok\r\n* OK [URLMECH INTERNAL] Ok\r\na3 OK [READ-ONLY] Completed\r\n"
        b"* QUOTAROOT INBOX user.monitor\r\n* QUOTA user.monitor (STORAGE 747 102400)\r\na4 OK Completed\r\n"
        b"* BYE LOGOUT received\r\na5 OK Completed\r\n",
        (b"AUTHENTICATE PLAIN " + PLAIN, STATUS, EXAMINE, QUOTA, b"LOGOUT"),
        MailboxFacts("INBOX", 12, 0, None, 764928, 104857600),
        "COMPRESS=DEFLATE",
    ),
    "Courier": Server(
        b"* OK [CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES "
        b"SORT QUOTA IDLE "
        b"AUTH=PLAIN ACL ACL2=UNION] Courier-IMAP ready. Copyright 1998-2018 Double Precision, Inc.  See COPYING for "
        b"distribution information.\r\n"
        b"+ \r\n"
        b"* OK [ALERT] Filesystem notification initialization error -- contact your mail administrator\r\n"
        b"a1 OK LOGIN Ok.\r\n"
        b"* CAPABILITY IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT "
        b"QUOTA IDLE ACL "
        b"ACL2=UNION XMAGICTRASH\r\na2 OK CAPABILITY completed\r\n"
        b'* STATUS "INBOX" (MESSAGES 4756 UNSEEN 4685)\r\na3 OK STATUS Completed.\r\n'
        b"* FLAGS (Junk NonJunk $label3 \\Draft \\Answered \\Flagged \\Deleted \\Seen \\Recent)\r\n"
        b"* OK [PERMANENTFLAGS (Junk NonJunk $label3 * \\Draft \\Answered \\Flagged \\Deleted \\Seen)] Limited\r\n"
        b"* 4756 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1194450600] Ok\r\n"
        b'* OK [MYRIGHTS "acdilrsw"] ACL\r\na4 OK [READ-ONLY] Ok\r\n'
        b'* QUOTAROOT "INBOX" "ROOT"\r\n* QUOTA "ROOT" (STORAGE 48829 97656)\r\na5 OK GETQUOTAROOT Ok.\r\n'
        b"* BYE Courier-IMAP server shutting down\r\na6 OK LOGOUT completed\r\n",
        (b"AUTHENTICATE PLAIN", PLAIN, b"CAPABILITY", STATUS, EXAMINE, QUOTA, b"LOGOUT"),
        MailboxFacts("INBOX", 4756, 4685, None, 50000896, 99999744),
        "XMAGICTRASH",
    ),
    "Exchange Online": Server(
        b"* OK The Microsoft Exchange IMAP4 service is ready. [RgBSADAAUAAyADgAMQBDAEEAMAAwADQAMQAuAEMATwBNAA==]\r\n"
        b"* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE "
        b"LITERAL+\r\na1 OK CAPABILITY completed.\r\n"
        b"a2 OK AUTHENTICATE completed.\r\n"
        b"* CAPABILITY IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS MOVE ID UNSELECT CLIENTACCESSRULES "
        b"CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE CHILDREN IDLE NAMESPACE LITERAL+\r\n"
        b"a3 OK CAPABILITY completed.\r\n"
        b"* STATUS INBOX (MESSAGES 15 UNSEEN 4) \r\na4 OK STATUS completed.\r\n"
        b"* 15 EXISTS\r\n* 0 RECENT\r\n* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $MDNSent)\r\n"
        b"* OK [PERMANENTFLAGS ()] Permanent flags\r\n* OK [UNSEEN 3] Is the first unseen message\r\n"
        b"* OK [UIDVALIDITY 14] UIDVALIDITY value\r\n* OK [UIDNEXT 201] The next unique identifier value\r\n"
        b"a5 OK [READ-ONLY] EXAMINE completed.\r\n"
        b"* BYE Microsoft Exchange Server IMAP4 server signing off.\r\na6 OK LOGOUT completed.\r\n",
        (b"CAPABILITY", b"AUTHENTICATE PLAIN " + PLAIN, b"CAPABILITY", STATUS, EXAMINE, b"LOGOUT"),
        MailboxFacts("INBOX", 15, 4),
        "CLIENTACCESSRULES",
    ),
    "Gmail": Server(
        b"* OK Gimap ready for requests from 192.0.2.7 c74mb246678438itb\r\n"
        b"* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 XYZZY SASL-IR AUTH=XOAUTH2 "
        b"AUTH=PLAIN AUTH=PLAIN-CLIENTTOKEN AUTH=OAUTHBEARER\r\na1 OK Thats all she wrote! c74mb246678438itb\r\n"
        b"* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE QUOTA ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE "
        b"ENABLE MOVE CONDSTORE ESEARCH UTF8=ACCEPT LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE "
        b"APPENDLIMIT=35651584\r\na2 OK monitor@example.com authenticated (Success)\r\n"
        b'* STATUS "INBOX" (MESSAGES 231 UNSEEN 12)\r\na3 OK Success\r\n'
        b"* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen $NotPhishing $Phishing)\r\n"
        b"* OK [PERMANENTFLAGS ()] Flags permitted.\r\n* OK [UIDVALIDITY 1] UIDs valid.\r\n* 231 "
        b"EXISTS\r\n* 0 RECENT\r\n"
        b"* OK [UIDNEXT 480] Predicted next UID.\r\n* OK [HIGHESTMODSEQ 60113]\r\n"
        b"a4 OK [READ-ONLY] INBOX selected. (Success)\r\n"
        b'* QUOTAROOT "INBOX" ""\r\n* QUOTA "" (STORAGE 11294 15728640)\r\na5 OK Success\r\n'
        b"* BYE LOGOUT Requested\r\na6 OK 73 good day (Success)\r\n",
        (b"CAPABILITY", b"AUTHENTICATE PLAIN " + PLAIN, STATUS, EXAMINE, QUOTA, b"LOGOUT"),
        MailboxFacts("INBOX", 231, 12, None, 11565056, 16106127360),
        "APPENDLIMIT=35651584",
    ),
    "iCloud": Server(
        b"* OK [CAPABILITY mr11p00im-iscream004 15E201 XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 SASL-IR "
        b"AUTH=ATOKEN AUTH=PLAIN] "
        b"iSCREAM ready to rumble (15E201-d02dd996912b:24762) mr11p00im-iscream004 [31:1461:18:16:40:81]\r\n"
        b"a1 OK [CAPABILITY XAPPLEPUSHSERVICE IMAP4 IMAP4rev1 ACL RIGHTS=tekx QUOTA LITERAL+ NAMESPACE "
        b"UIDPLUS CHILDREN "
        b"BINARY UNSELECT SORT CATENATE URLAUTH LANGUAGE ESEARCH ESORT THREAD=ORDEREDSUBJECT "
        b"THREAD=REFERENCES CONDSTORE "
        b"ENABLE QRESYNC CONTEXT=SEARCH CONTEXT=SORT WITHIN SASL-IR SEARCHRES METADATA ID XSENDER X-SUN-SORT "
        b"ANNOTATE-EXPERIMENT-1 X-UNAUTHENTICATE X-SUN-IMAP XUM1 IDLE] User monitor logged in\r\n"
        b"* STATUS INBOX (MESSAGES 5 UNSEEN 0)\r\na2 OK STATUS completed\r\n"
        b"* 5 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1]\r\n"
        b"* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)\r\n"
        b"a3 OK [READ-ONLY] EXAMINE completed\r\n"
        b'* QUOTAROOT INBOX ""\r\n* QUOTA "" (STORAGE 102 5242880)\r\na4 OK GETQUOTAROOT completed\r\n'
        b"* BYE iSCREAM logging out\r\na5 OK LOGOUT completed\r\n",
        (b"AUTHENTICATE PLAIN " + PLAIN, STATUS, EXAMINE, QUOTA, b"LOGOUT"),
        MailboxFacts("INBOX", 5, 0, None, 104448, 5368709120),
        "XUM1",
    ),
    "Yahoo": Server(
        b"* OK Welcome! IMAP Server up and ready to accept your request\r\n"
        b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER ID MOVE NAMESPACE XYMHIGHESTMODSEQ "
        b"UIDPLUS LITERAL+ CHILDREN UNSELECT X-MSG-EXT OBJECTID IDLE ENABLE UIDONLY X-ALL-MAIL X-UIDONLY LIST-EXTENDED "
        b"LIST-STATUS SPECIAL-USE PARTIAL APPENDLIMIT=41697280\r\na1 OK CAPABILITY completed\r\n"
        b"a2 OK AUTHENTICATE completed\r\n"
        b"* CAPABILITY IMAP4rev1 ID MOVE NAMESPACE UIDPLUS LITERAL+ CHILDREN UNSELECT OBJECTID IDLE ENABLE "
        b"STATUS=SIZE\r\n"
        b"a3 OK CAPABILITY completed\r\n"
        b'* STATUS "INBOX" (MESSAGES 95330 UNSEEN 95000 SIZE 9876543210)\r\na4 OK STATUS completed\r\n'
        b"* 95330 EXISTS\r\n* 0 RECENT\r\n* OK [UIDVALIDITY 1] UIDs valid\r\n* OK [MAILBOXID (1)] Ok\r\n"
        b"a5 OK [READ-ONLY] EXAMINE completed; now in selected state\r\n"
        b"* BYE IMAP4rev1 Server logging out\r\na6 OK LOGOUT completed\r\n",
        (b"CAPABILITY", b"AUTHENTICATE PLAIN " + PLAIN, b"CAPABILITY", STATUS_WITH_SIZE, EXAMINE, b"LOGOUT"),
        MailboxFacts("INBOX", 95330, 95000, 9876543210),
        "STATUS=SIZE",
    ),
}


ID: Final = b" ID "


def with_id(script: bytes) -> bytes:
    """The same, from a server that is told who asks before it is asked for figures, if it announces that it may be."""
    if ID not in script:
        return script
    before, status, after = script.partition(b"* STATUS")
    asked = max(int(tag) for tag in re.findall(rb"^a([0-9]) OK", before, re.MULTILINE)) + 1
    later = re.sub(rb"^a([0-9]) ", lambda tag: b"a%d " % (int(tag[1]) + 1), status + after, flags=re.MULTILINE)
    return before + b'* ID ("name" "server")\r\na%d OK ID completed\r\n' % asked + later


def told_who(said: tuple[bytes, ...], *, announced: bool) -> tuple[bytes, ...]:
    """Likewise what the client says."""
    if not announced:
        return said
    figures = next(number for number, line in enumerate(said) if line.startswith(b"STATUS"))
    who = f'ID ("name" "mail-exporter" "version" "{__version__}")'.encode()
    return (*said[:figures], who, *said[figures:])


def conversation(imap: Imap, where: Endpoint) -> Dialogue[None]:
    yield from converse(imap, where, login())
    yield from imap.quit()


@every_cut
@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS.keys())
def test_a_mailbox_is_looked_at(server: Server, cut: Cut) -> None:
    where = endpoint(Protocol.IMAP, Encryption.TLS, mailbox="INBOX", capabilities=("IMAP4rev1", "AUTH=PLAIN"))
    imap = Imap(where, "probe.example.com")

    talk = play(conversation(imap, where), with_id(server.script), cut)

    assert talk.error is None
    sent = tuple([line.split(b" ", 1)[1] if line.startswith(b"a") else line for line in talk.sent])
    assert told_who(server.said, announced=ID in server.script) == sent
    assert [line for line in talk.sent if PLAIN in line] == talk.secret
    assert Facts(auth_mechanism=Mechanism.PLAIN, auth_success=False) in talk.learnt
    assert Facts(auth_success=True) in talk.learnt
    assert Facts(mailbox=server.facts) == talk.learnt[-1]
    assert server.last in (imap.capabilities or ())
    assert b"" == talk.unread
