"""What servers say when they refuse something, a login above all, as patterns.

Only tables are here; login_refusals.py reads them when a server first refuses something: most never do, and they take
more than a megabyte.

Each table has one meaning, for all protocols. Add a line when a server uses yet another wording. The servers' exact
words are test data: tests/protocol/refused_logins.py.

No pattern may take more than linear time on hostile words: every repetition has a small upper bound.
"""

from __future__ import annotations

import re
from typing import Final

from exporter.model import FailureReason
from exporter.protocol.refusals.patterns import any_of, row

ENCODINGS: Final = (
    *("utf-8", "iso-8859-1", "iso-8859-2", "cp1251", "koi8-r"),
    *("gb18030", "big5", "shift_jis", "euc-kr"),
)
"""The languages in which mail servers write."""


def _near(some: bytes, others: bytes) -> bytes:
    """A pattern for one of some words and one of others in the same sentence, in either order."""
    between = rb"(?:[^;.\r\n]|\.(?! )){0,48}?"
    return any_of(b"(?:%s)%s(?:%s)" % (some, between, others), b"(?:%s)%s(?:%s)" % (others, between, some))


def _spelt(words: str) -> bytes:
    """A pattern for any of these words, separated by commas, in any encoding and, beyond ASCII too, any letter case."""
    found: set[bytes] = set()
    for word in words.replace("\n", " ").split(","):
        for form in (word.strip(), word.strip().capitalize(), word.strip().upper()):
            for encoding in ENCODINGS:
                octets = form.encode(encoding, "ignore")
                if octets and octets.decode(encoding) == form:
                    found.add(octets)
    return b"|".join(map(re.escape, sorted(found, key=lambda octets: (-len(octets), octets))))


_SERVICE: Final = rb"(?:IMAP4?|POP3?|SMTP)"
_CANNOT: Final = rb"(?:can(?:no|')t|could ?n[o']t|cannot|unable to)"
_WRONG: Final = rb"(?:incorrect|invalid|wrong|bad|unknown)"

SWITCHED_OFF: Final = (
    # Exchange Online has one enhanced code for the password, for the account and for a login that is switched off.
    row(
        FailureReason.AUTH_REJECTED,
        rb"5\.7\.139 .{0,200}(?:credentials were incorrect|account (?:is )?(?:locked|disabled|has an issue)|expired)",
    ),
    # For a while, after wrong passwords: every further try makes it last longer.
    row(
        FailureReason.AUTH_REJECTED,
        # What is locked after attempts of another kind may be a maildrop or a database.
        rb"\b(?:locked|blocked|disabled|suspended|banned|denied)\b.{0,60}?"
        rb"(?:\b(?:fail\w{0,4}|invalid|bad|wrong|incorrect|unsuccessful|log ?[io]n|auth\w{0,12}|password) attempts?\b|"
        rb"too many (?:\w{1,12} )?(?:fail\w{0,4}|invalid|bad|wrong|incorrect)(?! command| recipient))",
    ),
    # Exchange Online: the server of the user's own organization does not answer.
    row(FailureReason.AUTH_UNAVAILABLE, rb"5\.7\.139 .{0,200}federated STS"),
    # Yandex and QQ do not say which of the two it is, and a wrong password must not be tried with every probe.
    row(FailureReason.AUTH_REJECTED, rb"(?:credentials|password|failure|incorrect)[^.]{0,40} or " + _SERVICE),
    row(
        FailureReason.AUTH_DISABLED,
        # Exchange Online: for the tenant, for the mailbox, by a policy, and for everybody.
        rb"\A5[0-9]{2} 5\.7\.(?:30|139)\b",
        rb"BasicAuthBlocked|(?:basic|legacy)[- ]auth(?:entication)? (?:is |has been )?(?:disabled|blocked|not |turned)",
        rb"less secure app",
        # Gmail, Outlook.com and many others.
        rb"not enabled for " + _SERVICE,
        rb"\b%s(?:[ /](?:and|or|%s|AUTH(?:entication)?|access|service|logins?|protocol|is|are|has|have|been|currently|"
        rb"for|this|the|your|user|account|mailbox)){0,7}"
        rb" (?:not (?:been )?(?:enabled|activated|allowed|permitted)|(?:dis|de)a(?:bled|ctivated)|"
        rb"disabled|switched off|turned off|blocked|forbidden|prohibited)" % (_SERVICE, _SERVICE),
        # Zoho; Zimbra.
        rb"yet to enable %s|not have %s (?:access|service)" % (_SERVICE, _SERVICE),
        rb"(?:enable|activate|(?:turn|switch) on) %s\b|%s (?:\w{1,12} ){1,3}be (?:enabled|activated)"
        % (_SERVICE, _SERVICE),
        rb"(?:protocol|service) (?:is )?(?:disabled|not enabled)",
        # Others, of a user or a mailbox.
        rb"(?:not|n't) (?:allow|permit)(?:ed|ted)? (?:to )?(?:use |access |log ?in (?:by|over|via) )?%s\b" % _SERVICE,
        rb"\b%s (?:\w{1,12} ){0,2}(?:not (?:available|included|part|offered|supported)|unavailable) "
        rb"(?:for|in|with|on|of|to|by) (?:your|this|the|that)\b" % _SERVICE,
        rb"permission to (?:use|access) (?:the )?%s\b" % _SERVICE,
        # Yandex; NetEase.
        rb"not have access rights to this service|user has no permission|USERNOPERM",
        rb"\A(?=.{0,512}?%s).{0,512}?(?:%s)"
        % (
            _SERVICE,
            _spelt(
                """deaktiviert, abgeschaltet, nicht aktiviert, nicht freigeschaltet, désactivé, desactive, pas activé,
                deshabilitad, desactivad, desabilitad, desativad, disabilitat, disattivat, non abilitat, non è abilitat,
                uitgeschakeld, inaktiverad, wyłączon, wylaczon, nieaktywn, vypnut, devre d, отключ, выключ, запрещ,
                не включ, 未开启, 未开通, 未启用, 未開啟, 未啟用, 已关闭, 無効, 비활성"""
            ),
        ),
    ),
)
"""The provider says that this kind of login is switched off."""

NOT_THIS_WAY: Final = (
    row(
        FailureReason.AUTH_MECHANISM_NOT_OFFERED,
        # Dovecot 2.3 and 2.4, Cyrus, Stalwart, Zimbra: not over a connection that is not encrypted.
        rb"(?:plain|clear)[- ]?text (?:authentication|port|log(?:in|on)s?|passwords?)|in (?:plain|clear)[- ]?text",
        rb"only available under a layer|encryption (?:needed|required)",
        # Courier, Zimbra, hMailServer.
        rb"(?:STARTTLS|STLS|TLS|SSL)(?:[- ]connection)? (?:is |are )?(?:required|needed)",
        rb"only valid after entering TLS|must (?:first )?issue (?:a )?ST(?:ART)?TLS",
        rb"requires (?:an? )?(?:STARTTLS|TLS|SSL|encrypt)",
        rb"(?:secure|encrypted|TLS|SSL) (?:connection|channel|session) (?:is )?(?:required|needed)",
        rb"(?:must|have to|please) use (?:a )?(?:STARTTLS|STLS|TLS|SSL)|use (?:STARTTLS|STLS) first",
        rb"\buse (?:APOP|AUTHENTICATE|SASL)\b",
        rb"(?:insecure|unencrypted|unsecured?) (?:connection|channel|session)|without (?:TLS|SSL|encryption)",
        # Dovecot, Cyrus, Qpopper, Exchange, Zimbra: announced, and not there after all, or not for this user.
        rb"(?:unsupported|invalid|unknown|unrecogni[sz]ed) (?:authentication|SASL) (?:mechanism|type|method)",
        rb"(?:authentication|SASL) (?:mechanism|type|method)(?: \S{1,40})? (?:is )?not supported",
        rb"no mechanism available|no worthy mech|mechanism too weak|no verifier for user|unsupported mechanism",
        rb"mechanism (?:is )?(?:not supported|unsupported|not available|disabled)",
        # About the command, not the user: "Login disabled for this user" is about the account.
        rb"(?:LOGIN|USER(?= command)|AUTH|PLAIN|AUTHENTICATE)(?: command| mechanism)?(?: is)? disabled(?=[,.;:]|\Z)",
        # Cyrus SASL: the two sides do not mean the same exchange. Dovecot: SCRAM's header does not fit the connection.
        rb"bad protocol / cancel|channel[- ]binding|downgrade attack",
        # Exchange, before TLS.
        rb"Command is not valid in this state",
    ),
)
"""The login was not judged: it has to come by another mechanism, or over TLS."""

ABOUT_THE_ACCOUNT: Final = (
    row(
        FailureReason.AUTH_REJECTED,
        # Gmail, mail.ru, QQ, NetEase, iCloud: another password is wanted.
        rb"app(?:lication)?[- ]?specific password|application password is required|parol prilozheniya",
        rb"authori[sz](?:ation|ed) code|ERR\.LOGIN\.[A-Z]|\b(?:2|two)[- ]?(?:FA\b|factor|step)|\bMFA\b|multi-?factor",
        # Gmail: a person has to say first that it was them.
        rb"log ?in (?:via|with) your web browser|Web ?login ?required",
        # Yahoo, iCloud, cPanel, Kerio: every further try makes it last longer.
        rb"too many (?:\w{1,20} ){0,2}(?:bad|fail\w{0,4}|invalid|unsuccessful|incorrect|wrong)(?! command| recipient)",
        rb"too many (?:log ?in|auth\w{0,12}) (?:error|fail)",
        rb"maximum (?:\w{1,20} ){0,3}attempts|attempts (?:\w{1,20} ){0,3}exceeded|exceeded (?:\w{1,20} ){0,5}attempts",
        rb"(?:account|user|login) (?:\S{1,20} ){0,3}(?:locked (?:out|due|for)|suspended|deactivated|blocked|banned)",
        rb"account (?:has been |is |was )?(?:temporarily )?locked",
        # Postfix since 3.8, where Dovecot gives no reason for saying no.
        rb"authentication failed: \(reason unavailable\)",
        # Cyrus SASL, also below Postfix: nobody of that name is in sasldb.
        rb"no secret in database|no such (?:user|mailbox|account)|"
        rb"\b(?:user|account)(?: \S{1,40})? does not exist|\A535 .{0,60}mailbox (?:does not exist|not found)",
        # So clear that nothing else in the same sentence changes it.
        _WRONG + rb" (?:user ?(?:name|id)?|log(?:in|on)(?: name)?|account|e?-?mail(?: address)?)?(?:\(?s\)?)?"
        rb" ?(?:or|and|/|&)? ?(?:bad |invalid |wrong )?(?:password|passwd|credentials)",
        rb"(?:password|passwd|credentials) (?:(?:supplied|provided|given|entered|you) (?:\S{1,40} ){0,4})?"
        rb"(?:is |are |was |were |has |have )?(?:incorrect|invalid|wrong|not accepted|not correct|not valid|mismatch|"
        rb"expired|do(?:es)? not match)",
    ),
)
"""The words are about the password or the account, and about nothing else."""

_INSIDE: Final = (
    rb"daemon|back-?end|data ?base|\bDB\b|\bSQL\b|mysql|ldap|socket|storage|store|directory|mail ?drop|mail ?dir|"
    rb"\bmbox|spool|disk|file ?system|upstream|authd|provider|endpoint|memory|POP3? lock|"
    rb"(?:auth\w{0,12}|log ?in) (?:server|service|process)"
)
_AROUND: Final = (
    rb"server|service|connection|mail ?box|mail ?file|in-?box|system|resource|relay|proxy|saslauthd|host|child|process|"
    rb"network|session|configuration|node"
)
_TROUBLE: Final = (
    rb"\bdown\b|unavailable|not available|unreachable|fail|error|lost|refused|tim(?:ed?|ing) ?-?out|time-?out|busy|"
    rb"overload|not respond|no response|can(?:no|')t|could ?n[o']t|unable|lock|in use|open|crash|full|too many|exceed|"
    rb"limit|missing|does not exist|no such|not ready|problem|maintenance|shutting|broken|already|exhaust|"
    rb"not reachable|offline|mounted|(?:is|are|be|was) (?:re)?(?:start|buil)|read-only|not running|is being|dropped|"
    rb"\breset\b|quota"
)

_BUSY: Final = (
    # Courier, Exim, Dovecot, Sendmail, qmail; also temporaire, temporal, temporaneo.
    rb"tempor|transient|\bat present\b|try (?:again )?later|again later|later again|retry later",
    # nginx, Dovecot, Yahoo.
    rb"(?:internal|server|system|service|fatal|unexpected) (?:\w{1,20} ){0,2}(?:error|failure|problem|bug)",
    # Exchange, Gmail, Dovecot, Yahoo: overloaded, or too many sessions at once.
    rb"(?:server|service) (?:is )?(?:unavailable|not available|busy)|\bbusy\b",
    rb"too many (?:\w{1,20} ){0,2}(?:connection|session|request|command|login|user|process|client)",
    rb"maximum number of|overload|throttl|rate.?limit|maintenance|shutting down",
    rb"(?:bandwidth|command|rate|connection|session|login) limit|out of (?:memory|resources|disk)|no space left",
)

BUSY: Final = any_of(
    *_BUSY,
    # Beside a login these could be about the login: "login failed, try again".
    rb"\btry (?:it |this )?again\b|come back (?:later|soon)|\bnot (?:yet )?ready\b|\bstart(?:s|ing) up",
    rb"currently un\w{0,12}|greylist|disk (?:is )?full|load (?:is )?(?:too )?high|no free \w{1,12}|fork failed",
    rb"\b(?:server|service|back-?end|database|system|store|upstream|proxy)s? (?:\w{1,12} ){0,2}"
    rb"(?:unavailable|not available|down|unreachable|not reachable|not respond\w{0,3}|timed? ?-?out)\b",
    rb"(?:lost|timed? ?out|failed|unable|cannot|can't) (?:\w{1,12} ){0,5}(?:back-?end|database|upstream|fork)\b",
    rb"(?:connection|session|user|process|child|licen[cs]e)s?(?: \S{1,20}){0,4}? (?:reached|exceeded)\b",
    rb"insufficient (?:\w{1,12} )?(?:resource|memory|storage)",
    rb"\b(?:mail ?box|mail ?drop|database|folder) (?:is |was )?(?:already |currently )?(?:locked|in use)\b",
)
"""The refusal is temporary, for any command but a login."""

OUTAGE: Final = (
    row(
        FailureReason.AUTH_UNAVAILABLE,
        *_BUSY,
        rb"error(?: has)? occur|exception|oops|right now|at th(?:is|e) (?:time|moment)|licen[cs]e",
        rb"\bI/O error|input/output error|clock skew|file descriptor|not ready|in progress|migrati(?:on|ng)",
        rb"bad gateway|technical (?:difficult|problem|issue|error)|load (?:is )?(?:too )?high|server load",
        rb"greylist|stale file",
        rb"(?:returned|status(?: code)?):? ?50[0-9]\b|connection (?:lost|refused|reset)|going down|open files",
        rb"failed to (?:connect|start|contact|reach)",
        rb"(?:failed to|error(?: while)?) (?:fetch|load|retriev|query|read|open|creat|writ)",
        rb"over ?quota|quota (?:is )?(?:exceeded|full)|too (?:frequent|often|soon)|more (?:often|frequently) than",
        rb"look-?up (?:error|fail)",
        # Cyrus SASL, also below Postfix, when saslauthd does not answer.
        rb"\bgeneric failure|authentication server unavailable",
        # RFC 1939's own example, Qpopper, Cyrus, UW, Solid-POP3, hMailServer: the login was right.
        rb"already (?:locked|in use|open|logged|connected|active)",
        rb"another (?:session|reader|process|client|user|POP)|%s (?:\w{1,20} ){0,2}lock" % _CANNOT,
        _CANNOT
        + rb" (?:fork|exec|connect|contact|reach|look ?up|get|open|read|access|scan|stat|fetch|load|retrieve|query)",
        rb"tim(?:ed|e) ?-?out|unavailable|not available|no such file|has no \S{0,20}maildir",
        _spelt(
            """zu viele verbindungen, trop de connexions, demasiadas conexiones, muitas conexões, troppe connessioni,
            te veel verbindingen, za dużo połączeń, слишком много, 连接数, 連接數, 接続数,
            später, spaeter, vorübergehend, vorruebergehend, nicht verfügbar, nicht erreichbar, wartung, überlastet,
            plus tard, indisponible, erreur interne, erreur du serveur, más tarde, mas tarde, no disponible,
            error interno, error del servidor, mantenimiento, mais tarde, indisponível, indisponivel, erro interno,
            manutenção, più tardi, piu tardi, non disponibile, errore interno, manutenzione, tillfälligt,
            niet beschikbaar, serwer, niedostęp, niedostep, później, chwilowo, dočasn, docasn, ideiglenes, geçici,
            временн, позже, недоступ, внутренняя ошибка, ошибка сервера, перегруж, 稍后, 稍後, 繁忙, 系统错误, 系統錯誤,
            服务器, 伺服器, 维护, しばらく, サーバ, メンテナンス, 一時的, 混雑, 利用できません,
            나중에, 일시적, 서버, 점검"""
        ),
    ),
)
"""The server could not judge the login, or could not do what comes after it."""

TROUBLE_INSIDE: Final = (row(FailureReason.AUTH_UNAVAILABLE, _near(_INSIDE, _TROUBLE)),)
TROUBLE_AROUND: Final = (row(FailureReason.AUTH_UNAVAILABLE, _near(_AROUND, _TROUBLE)),)
"""Likewise: some part of a server is in some trouble; the second are parts that are named beside a wrong password, too.
Both are to be looked for without `NO_TROUBLE`."""

_LOGGING_IN: Final = rb"(?:re-?)?auth\w{0,12}|log(?:ged|ging)?[ -]?(?:in|on)|sign(?:ed|ing)?[ -]?in|access"
_AT: Final = rb"to|with|at|on|for|from|in|into|by|of|was|were|is|has|had|have|attempt|request"

NO_TROUBLE: Final = re.compile(
    any_of(
        # The trouble is the login's, and not that of the part that is named beside it: "login failed for this mailbox".
        rb"\b(?:%s)(?: (?:%s)(?: [^ ;.:,]{1,20}){0,3}?)? (?:fail\w{0,5}|errors?\b|refused|den(?:ied|ial)|rejected)"
        % (_LOGGING_IN, _AT),
        rb"fail(?:ed|ure)? (?:to )?(?:%s)|(?:log ?in|auth\w{0,12}) (?:fail\w{0,5}|errors?)\b" % _LOGGING_IN,
        rb"(?:%s) (?:be )?(?:log|sign|authenticate)(?: ?(?:ged|ned))?(?: you)?(?: (?:in|on)|in|on)?\b" % _CANNOT,
        # How a sentence begins; whom to ask, and when.
        rb"\berror: |(?:\w{1,10} )?(?:administrator|admin|help ?desk|support)\b",
        rb"(?:problem|error)s? (?:persist|continue)",
    ),
    re.IGNORECASE | re.DOTALL,
)
"""Wording that sounds like a problem of the server but only says that the login failed."""

_LOGIN: Final = (
    rb"log(?:ged|ging)?[ -]?(?:in|on)|sign(?:ed|ing)?[ -]?in|authent\w{0,12}|authori[sz]\w{0,8}|\bauth\b|access|"
    rb"\buser\w{0,4}|account|permission|\bname\b|identi\w{0,8}|APOP|digest|token"
)
_NO: Final = (
    rb"fail|invalid|incorrect|wrong|\bbad\b|den(?:y|ied)|reject|refus|unsuccess|unknown|no such|unable|mismatch|"
    rb"not (?:accept|allow|permit|authori|valid|recogni|found|exist|match|known|correct)|n't (?:accept|allow)"
    rb"|error|disabled|expired|cannot|can't|illegal|unauthori|inactive|does not|required|block|forbid|prohibit|"
    rb"frozen|suspend|deactivat|closed|not active|on hold|logged out|locked|not (?:a )?valid|not verified|not have"
)

CREDENTIALS: Final = (
    row(
        FailureReason.AUTH_REJECTED,
        rb"passw|passphrase|pass ?code|credential|user ?(?:name|id)|\bpwd\b|\bpasskey",
        rb"(?:\bun|\bnot )(?:authori[sz]|authenticat)ed",
        rb"mailbox (?:has been |is |was )?(?:deactivated|disabled|suspended|blocked)",
        _near(_LOGIN, _NO),
        # In every language the word for it is enough where nothing speaks of an outage.
        _spelt(
            """passwort, kennwort, anmeld, zugangsdaten, fehlgeschlagen, benutzer, zugriff verweigert, gesperrt,
            accès refusé, compte bloqué, acceso denegado, cuenta bloqueada, accesso negato, account bloccato,
            acesso negado, conta bloqueada, toegang geweigerd, доступ запрещ, заблокиров,
            mot de passe, identifi, connexion,
            authentifi, contraseña, contrasena, autentic, autentific, clave, usuario, usuário, senha,
            palavra-passe, credenci, credenzial, autenticaz, utente, wachtwoord, aanmeld, inlogg, lösenord, losenord,
            adgangskode, kodeord, passord, salasana, hasło, haslo, hasła, hasla, logowani, heslo, přihlá, prihla, jelsz,
            şifre, sifre, parola, kullan, κωδικ, парол, логин, аутентифик, авториз, учетн, пользовател,
            密码, 密碼, 口令, 用户, 帐号, 账号, 帳號, 验证, 驗證, 登录, 登入, 授权码, 認証, パスワード, ログイン,
            비밀번호, 로그인, 인증, סיסמה, كلمة"""
        ),
    ),
)
"""The text mentions credentials or a failed login, and no outage."""
