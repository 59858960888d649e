"""What real servers say to a login that they refuse, in their exact words, and what each of them means.

The words come from the servers' sources and from public reports of their users. Each entry is what follows the tag in
IMAP, `-ERR ` in POP3, and the whole reply in SMTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from exporter.model import FailureReason, Protocol

Refusals = Mapping[FailureReason, tuple[bytes, ...]]

SMTP: Final[Refusals] = {
    FailureReason.AUTH_REJECTED: (
        b"535 5.7.8 Error: authentication failed: ",  # Postfix
        b"535 5.7.8 Error: authentication failed: UGFzc3dvcmQ6",
        b"535 5.7.8 Error: authentication failed: (reason unavailable)",  # Postfix 3.8 and later, with Dovecot
        b"535 Incorrect authentication data",  # Exim
        b"535 5.7.3 Authentication unsuccessful [FR4P281CA0123.DEUP281.PROD.OUTLOOK.COM]",  # Exchange Online
        b"535 5.7.3 Authentication unsuccessful",  # Exchange
        b"535 5.7.139 Authentication unsuccessful, the user credentials were incorrect. [FR4P281CA0123]",
        b"535-5.7.8 Username and Password not accepted. Learn more at\r\n535 5.7.8  https://support.google.com - gsmtp",
        b"534-5.7.9 Application-specific password required. Learn more at\r\n534 5.7.9  https://example.com - gsmtp",
        (
            b"534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1>\r\n"
            b"534-5.7.14 Please log in via your web browser and then try again.\r\n534 5.7.14  Learn more - gsmtp"
        ),
        b"534-5.7.9 Please log in with your web browser and then try again. Learn\r\n534 5.7.9  more - gsmtp",
        b"535 5.7.0 (#AUTH005) Too many bad auth attempts.",  # Yahoo
        b"535 5.7.0 (#MBR1212) Incorrect username or password.",
        b"535 5.7.8 Error: authentication failed: authentication failure",  # Postfix with Cyrus SASL, iCloud
        b"535 Authentication failed.",  # Courier
        b"535 Authentication credentials invalid",  # GMX, web.de, 1&1
        b"535 5.7.8 Error: authentication failed: Invalid user or password!",  # Yandex
        b"535 5.7.8 Error: authentication failed: Invalid user or password! 1764320000-AbCdEfGhIjKl",
        (
            b"535 5.7.0 NEOBHODIM parol prilozheniya https://help.mail.ru/mail/security/protection/external / "
            b"Application password is REQUIRED"
        ),  # mail.ru
        b"535 Error: authentication failed",  # NetEase
        b"535 Login Fail. Please enter your authorization code to login. More information in http://service.mail.qq.com",
        (
            b"535 Login fail. Account is abnormal, service is not open, password is incorrect, login frequency "
            b"limited, or system is busy. More information at https://help.mail.qq.com/"
        ),
        b"535 Authentication Failed",  # Zoho
        b"535 5.7.8 Error: authentication failed: another step is needed in authentication",
        b"535 authorization failed (#5.7.0)",  # qmail
        b"535 auth failed (#5.7.1)",
        b"535 Authentication failed. Restarting authentication process.",  # hMailServer
        b"535 5.7.8 Authentication failed",  # MDaemon, Kerio, OpenSMTPD's is 535 alone
        b"535 Authentication failed: invalid user or password",  # DavMail
        b"535 5.7.0 authentication failed",  # Sendmail
        b"454 4.7.0 invalid username or password",  # Proton Mail Bridge, go-smtp
        b"535 5.7.1 Username and Password not accepted c1si1234567 - nsmtp",  # Naver
        b"535 5.7.8 Bad username or password (Authentication failed).",  # Mail Enable and others
        b"535 5.7.8 Benutzername oder Passwort falsch",
        "535 Échec de l'authentification".encode("iso-8859-1"),
        "550 5.1.0 Неверный логин или пароль".encode(),
        "554 Неверный пароль".encode("koi8-r"),
        "554 用户名或密码错误".encode("gb18030"),
        b"525 5.7.13 User account disabled",  # RFC 5248
        b"554 5.7.0 whatever else",
        b"550 Access denied - Invalid HELO name or login",
        b"535 5.7.8 Error: authentication failed: no secret in database",  # Postfix with Cyrus SASL's sasldb
        b"535 Auth failed: the mailbox does not exist",
        b"535 no such mailbox",
        b"535 5.7.0 Maximum login attempts exceeded",
        b"435 4.7.8 Error: authentication failed: ",  # Mandrill
        b"530 5.7.0 Authentication failed",
        b"526 Authentication failure[0]",  # Aliyun
        b"535 5.7.0 Incorrect username, password or access token",  # Fastmail
        b"535 5.7.1 Sorry, you need to create an app password to use this service",
        b"525 5.7.1 Unauthorized IP address",  # Brevo
        b"500 5.7.0 Unknown AUTH error -4 (Bad username or password?).",  # Sun's messaging server
        b"535 5.7.8 Niepoprawne dane logowania",  # Polish providers
        b"535 user disabled",
        b"534 5.7.9 WebLoginRequired",  # Gmail, as some libraries shorten it
        b"535 Authentication failed, please check your mail server settings",
        b"535 5.7.8 Error: authentication failed: server rejected credentials",
        b"550 5.7.1 IP blocked due to too many failed logins",
        b"535 5.7.139 Authentication unsuccessful, account locked. Contact your administrator.",  # Exchange Online
        b"535 5.7.139 Authentication unsuccessful, account has an issue. Contact your administrator.",
        # Codes of another meaning.
        b"421 Too many auth failures, try again later",  # Oracle
        b"421 4.3.0 Too many authentication errors, disconnecting.",  # Stalwart
        b"501 5.7.0 Authentication failed",
        b"503 5.7.0 Authentication failed",
    ),
    FailureReason.AUTH_UNAVAILABLE: (
        b"454 4.7.0 Temporary authentication failure: Connection lost to authentication server",  # Postfix
        b"535 5.7.8 Error: authentication failed: Connection lost to authentication server",  # Postfix 2.3 to 2.10
        b"435 Unable to authenticate at present",  # Exim
        b"435 Unable to authenticate at present: authentication socket connection error",
        b"454 4.7.0 Temporary authentication failure.",  # Exchange Online
        b"400 4.7.0 Temporary authentication failure",  # nobody's: the first code of a refusal (RFC 5321 4.2.1)
        b"454 4.7.0 Too many login attempts, please try again later. 5b1f17 - gsmtp",  # Gmail
        b"535 5.7.8 Error: authentication failed: generic failure",  # Postfix with Cyrus SASL, without saslauthd
        b"535 5.7.8 Error: authentication failed: authentication server unavailable",
        b"535 Error: authentication failed, system busy",  # NetEase
        b"454 oops, problem with child and I can't auth (#4.3.0)",  # qmail
        b"535 oops, child crashed (#4.3.0)",
        b"454 4.3.0 Temporary system problem. Please try again later. - gsmtp",  # Gmail
        b"451 4.3.2 Internal server error",  # nginx
        b"535 Internal error",
        b"554 5.3.0 Unable to connect to the LDAP server",
        b"535 5.7.139 Authentication unsuccessful, federated STS service was unreachable.",  # Exchange Online
        b"535 5.7.139 Authentication unsuccessful, the federated STS URL does not support HTTPS.",
        b"535 Authentication failed: Unable to connect to OWA at https://exchange.example/owa/, status code 503",
        b"550 5.7.1 Service unavailable, database is down",
        b"554 5.5.4 Too many connections",
        "554 Serveur indisponible, réessayez plus tard".encode(),
        "554 Технические работы, сервис временно недоступен".encode(),
        "535 系统繁忙 请稍后再试".encode("gb18030"),
        b"500 5.7.0 Unknown AUTH error -1 (Internal authentication error).",  # Sun's messaging server
        b"451 Authentication failed: Maximum credits exceeded",  # SendGrid
        b"535 5.7.8 LDAP server not reachable",
        b"454 4.7.0 Temporary authentication failure: Internal authentication error",
        b"554 no",
        b"550 nobody knows what this is",
    ),
    FailureReason.AUTH_DISABLED: (
        b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",  # Exchange
        b"535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [FR4P281CA0123]",
        b"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        b"535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
        b"535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated.",
        b"550 5.7.30 Basic authentication is not supported for Client Submission.",
        b"535 5.7.8 Error: authentication failed: This user does not have access rights to this service",  # Yandex
        b"550 User has no permission",  # NetEase
        b"550 5.7.1 SMTP authentication is disabled for this user",
        b"535 5.7.8 SMTP access is disabled for this account",
        b"535 5.7.139 Authentication unsuccessful, Access has been blocked by Conditional Access policies.",
        "535 Error: SMTP服务未开启".encode(),
    ),
    FailureReason.AUTH_MECHANISM_NOT_OFFERED: (
        b"503 5.5.1 Error: authentication not enabled",  # Postfix
        b"535 5.7.8 Error: authentication failed: Invalid authentication mechanism",  # Postfix with Dovecot
        b"535 5.7.8 Error: authentication failed: no mechanism available",  # Postfix with Cyrus SASL
        b"535 5.7.8 Error: authentication failed: bad protocol / cancel",
        b"535 5.7.8 Error: authentication failed: no worthy mechs found",
        b"432 4.7.12 A password transition is needed",  # RFC 4954
        b"534 5.7.9 Authentication mechanism is too weak",  # RFC 4954
        b"523 5.7.10 Encryption needed",  # RFC 5248
        b"535 5.7.1 Plain text authentication not allowed without TLS",
        b"538 5.7.11 Encryption required for requested authentication mechanism",
        b"530 5.7.0 Must issue a STARTTLS command first",
        b"503 AUTH command used when not advertised",  # Exim
        b"504 PLAIN authentication mechanism not supported",
        b"502 5.5.1 Command not implemented",
        b"504 5.7.4 Unrecognized authentication type",  # Exchange
        b"503 auth not available (#5.3.3)",  # qmail
        b"530 5.7.0 Something else comes first",
    ),
    FailureReason.COMMAND_REFUSED: (
        b"501 Invalid base64 data",  # Exim
        b"501 5.5.4 AUTH invalid parameter",
        b"500 5.5.6 Authentication Exchange line is too long",  # RFC 4954
    ),
    FailureReason.SERVER_BUSY: (
        b"421 4.7.0 mail.example.com Error: too many errors",  # Postfix
        b"421 4.7.66 TLS 1.0 and 1.1 are not supported.",  # Exchange Online
        b"421 Too many invalid commands",  # hMailServer
        b"421 4.7.0 connection blocked: too many invalid commands",
    ),
    FailureReason.PROTOCOL_ERROR: (b"250 is not a reply to AUTH", b"354 is not a reply to AUTH", b"a reply?"),
}

IMAP: Final[Refusals] = {
    FailureReason.AUTH_REJECTED: (
        b"NO [AUTHENTICATIONFAILED] Authentication failed.",  # Dovecot, iCloud
        b"NO Authentication failed.",  # Dovecot 1.0
        b"NO [AUTHORIZATIONFAILED] Authorization failed",
        b"NO [EXPIRED] Password expired.",
        b"NO [CONTACTADMIN] Login disabled for this user",
        b"NO Login failed: authentication failure",  # Cyrus
        b"NO Login failed: user not found",
        b"NO Login failed.",  # Courier
        b"NO AUTHENTICATE failed.",  # Exchange
        b"NO LOGIN failed.",
        b"NO LOGIN failed",  # Zimbra, UW
        b"NO AUTHENTICATE failed",
        b"NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)",  # Gmail
        b"NO [ALERT] Invalid credentials (Failure)",
        b"NO [ALERT] Application-specific password required: https://support.google.com/ (Failure)",
        b"NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials",  # Yahoo
        b"NO [AUTHENTICATIONFAILED] AUTHENTICATE Invalid credentials",
        b"NO [AUTHENTICATIONFAILED] (#MBR1212) Incorrect username or password.",
        b"NO [ALERT] Please log in via your web browser: https://support.google.com/mail/ (Failure)",  # Gmail
        b"NO [WEBALERT https://accounts.google.com/signin/continue] Web login required.",
        b"NO authentication failure",  # Cyrus
        b"NO [AUTHENTICATIONFAILED] LOGIN Invalid credentials or IMAP is disabled sc=ebI8JB0ug4Y1_290737_53p",  # Yandex
        b"NO LOGIN Invalid credentials or IMAP is disabled",
        (
            b"NO [AUTHENTICATIONFAILED] NEOBHODIM parol prilozheniya https://help.mail.ru/mail/security/protection/"
            b"external / Application password is REQUIRED"
        ),  # mail.ru
        b"NO LOGIN Login error or password error",  # NetEase
        b"NO Login error or password error",
        (
            b"NO Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, "
            b"or system is busy."
        ),  # QQ
        b"NO [ALERT] Invalid credentials (Failure)",  # Zoho
        b"NO Invalid user name or password.",  # hMailServer
        b"NO LOGIN Authentication failed: invalid user or password",  # DavMail
        b"NO LOGIN Authentication failed: invalid user or password, retry with domain\\user",
        b"NO Re-Authentication Failure",  # perdition
        b"NO Invalid login or password",  # nginx, with the answer of the usual authentication script
        b"NO [AUTHENTICATIONFAILED] Authentication failed: temporarily no attempts left",
        b"NO Account is temporarily locked due to too many failed login attempts. Try again later.",
        b"NO Anmeldung fehlgeschlagen",
        b"NO Nom d'utilisateur ou mot de passe incorrect",
        "NO Usuario o contraseña incorrectos".encode(),
        "NO Nieprawidłowy login lub hasło".encode(),
        "NO ユーザ名またはパスワードが違います".encode("shift_jis"),
        b"BAD [AUTHENTICATIONFAILED] no",
        b"no [authenticationfailed] lower case",
        b"NO No such user",
        b"NO [AUTHENTICATIONFAILED] Incorrect username, password or access token",  # Fastmail
        b"NO [ALERT] Sorry, you need to create an app password to use this service",
        b"NO incorrect password or account name",  # CommuniGate Pro
        b"NO LOGIN failed. Invalid login/password.",  # James
        b"NO Account frozen",  # MDaemon
        b"NO You are not authorized to use the server",  # Domino
        b"NO account is logged out, use the app to login again",  # Proton Mail Bridge
        b"NO 2FA required",
        b"NO Account is not active",
        b"NO Login denied: access from your country is blocked",
        # What failed is the login, and not the part of the server that is named beside it.
        b"NO Authentication failed. Check your mail server configuration",
        b"NO Login failed. If the problem persists contact your system administrator",
        b"NO Login failed for this mailbox",
        b"NO your login was refused by the mail server",
        b"NO authentication failed (backend rejected credentials)",
        b"NO AUTHENTICATE failed at the proxy",
        b"NO Login failed, session terminated",
        b"NO User cannot log in from this host",
        b"NO Error: login failed for node 3",
        b"NO This mailbox has been deactivated",
        b"NO login locked after 5 attempts",
        b"NO Sorry, your mailbox has been disabled",
        b"NO LOGIN failed. Account is blocked. Login to your account via a web browser to verify it.",  # Exchange
        b"NO Zugriff verweigert",
        b"NO Konto gesperrt",
        "NO Accès refusé".encode("iso-8859-1"),
        b"NO Acceso denegado",
        "NO Доступ запрещён".encode(),
        b"NO IMAP access for your account is blocked: too many failed logins",
        b"NO IMAP access temporarily blocked because of failed login attempts",
        b"NO IMAP login is disabled for 15 minutes after 5 failed attempts",
        # Conditions of another meaning.
        b"BAD Authentication failed",
        b"BAD LOGIN failed",
    ),
    FailureReason.AUTH_UNAVAILABLE: (
        b"NO [UNAVAILABLE] Temporary authentication failure. [mx1:2026-09-01 10:00:00]",  # Dovecot
        b"NO Temporary authentication failure.",  # Dovecot 1.0
        b"NO Temporary authentication failure",
        b"NO [UNAVAILABLE] User's backend down for maintenance",  # RFC 5530
        b"NO [LIMIT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        b"NO Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)",
        b"NO [SERVERBUG] Internal login failure. Refer to server log for more information.",
        b"NO [INUSE] Somebody else is logged in",
        b"NO Server Unavailable. 15",  # Exchange
        b"NO [ALERT] Too many simultaneous connections. (Failure)",  # Gmail
        b"NO Too many simultaneous connections. (Failure)",
        b"NO [ALERT] Account exceeded command or bandwidth limits. (Failure)",
        b"NO [ALERT] Maximum login limit exceeded",
        b"BAD [UNAVAILABLE] Service temporarily unavailable",  # iCloud
        b"NO [LIMIT] LOGIN Rate limit hit.",  # Yahoo
        b"NO [UNAVAILABLE] AUTHENTICATE Server error - Please try again later",
        b"NO remote authentication server unavailable",  # Cyrus
        b"NO generic failure",
        b"NO Login failed: generic failure",
        b"NO Login failed: can't connect to saslauthd",
        b"NO Login failed: System I/O error",
        b"NO Temporary problem, please try again later",  # Courier
        b"BAD internal server error",  # nginx
        b"NO internal server error",
        b"NO Internal error occurred. Refer to server log for more information.",
        b"NO Could not connect to real server",  # perdition
        b"NO LOGIN All network interfaces down or host unreachable !",  # DavMail
        b"NO LOGIN Unable to connect to OWA at https://exchange.example/owa/, status code 503, check configuration",
        b"NO Request is throttled. Suggested Backoff Time: 299881 milliseconds",  # Exchange Online
        b"NO LOGIN failed: Internal error",
        b"NO Mailbox is locked by POP server",
        b"NO [INUSE] Mailbox is locked, too many attempts",
        b"NO [OVERQUOTA] Account over quota, cannot log in",  # RFC 5530
        b"NO Cannot verify your password right now",
        b"NO user lookup failed, try again",
        b"NO license expired: the server accepts no more logins",
        b"NO Unable to open this mailbox.",
        b"NO system busy",  # NetEase
        "NO Dienst vorübergehend nicht verfügbar".encode(),
        "NO 系统繁忙".encode(),
        b"NO [TEMPFAIL] LOGIN failure on server [CODE: WBL]",  # Yahoo
        b"NO Lookup failed k2mb12345678",  # Gmail
        b"NO account is in maintenance mode",  # Zimbra
        b"NO Connection dropped by IMAP server.",  # UW's c-client in front
        b"NO Clock skew too great",  # Kerberos
        b"NO I/O error",
        b"NO Mailbox is being moved",
        b"NO account migration in progress",
        b"NO The mailbox database is dismounted",
        b"NO Authentication provider offline",
        b"NO Quota exceeded, login not possible",
        b"NO failed to load account settings",
        b"NO We are currently experiencing technical difficulties",
        b"NO Login denied. System load too high",
        b"NO authentication failed (upstream returned 503)",
        b"NO Login failed: LDAP server down",
        b"NO login failed (database connection failed)",
        b"NO Authentication backend failure",
        b"NO login failed: cannot open mailbox",
        "NO サービスは現在利用できません".encode(),
        b"NO Trop de connexions",
        "NO Слишком много соединений".encode("koi8-r"),
        b"NO",
        b"NO not today",
    ),
    FailureReason.AUTH_DISABLED: (
        b"NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page (Failure)",
        b"NO [ALERT] IMAP access is disabled for your domain. Please contact your domain administrator. (Failure)",
        b"NO [AUTHENTICATIONFAILED] AuthFailed:LogonDenied-BasicAuthBlocked-<UserType:OutlookCom>",  # Outlook.com
        b"NO Basic authentication is disabled.",
        b"NO [ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)",  # Zoho
        b"NO account does not have IMAP access enabled",  # Zimbra
        b"NO IMAP service is disabled",
        b"NO IMAP access for this user is disabled",
        b"NO Mailbox does not allow IMAP access",
        b"NO User is not allowed to use IMAP",
        b"NO The user is not permitted to access IMAP",
        b"NO You don't have permission to use IMAP service",
        b"NO [ALERT] POP3 and IMAP are not enabled for this mailbox",
        b"NO Sorry, your account level doesn't allow IMAP access",  # Fastmail
        b"NO IMAP is not available for your plan",
        b"NO IMAP access is not included in your subscription",
        b"NO External IMAP access is prohibited",
        b"NO Please turn on IMAP",
        b"NO legacy authentication is blocked",
        b"NO less secure apps are not allowed",
        "NO IMAP ist für dieses Postfach deaktiviert".encode(),
        "NO L'accès IMAP est désactivé".encode("iso-8859-1"),
        "NO Доступ по IMAP отключен".encode("koi8-r"),
        "NO 未开通IMAP服务".encode("gb18030"),
    ),
    FailureReason.AUTH_MECHANISM_NOT_OFFERED: (
        b"NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",  # Dovecot 2.3
        b"NO [PRIVACYREQUIRED] Cleartext authentication disallowed on non-secure (SSL/TLS) connections.",  # Dovecot 2.4
        b"NO [PRIVACYREQUIRED] not here",
        b"NO Unsupported authentication mechanism.",
        b"NO [AUTHENTICATIONFAILED] Unsupported authentication mechanism.",
        b"NO LOGIN is disabled on the clear-text port.",  # Stalwart
        b"NO Login only available under a layer",  # Cyrus
        b"NO encryption needed to use mechanism",
        b"NO no mechanism available",
        b"NO bad protocol / cancel",
        b"NO user exists, but no verifier for user",
        b"NO STARTTLS required",  # Courier
        b"NO plaintext password disallowed",
        b"NO LOGIN command disabled, use AUTHENTICATE",
        b"NO LOGIN is disabled",
        b"NO Secure connection required",
        b"NO Login is not allowed over insecure connections",
        b"NO mechanism not supported",
        b"BAD Unsupported mechanism",
        b"NO cleartext logins disabled",  # Zimbra
        b"NO A SSL/TLS-connection is required for authentication.",  # hMailServer
        b"BAD STARTTLS is required first.",
        b"NO LOGIN not permitted in cleartext",
    ),
    FailureReason.COMMAND_REFUSED: (
        b"BAD Error in IMAP command received by server.",  # Dovecot, Courier
        b"BAD Command Argument Error. 11",  # Exchange
        b"BAD Authenticate invalid arguments",
        b"BAD",
    ),
}

POP3: Final[Refusals] = {
    FailureReason.AUTH_REJECTED: (
        b"[AUTH] Authentication failed.",  # Dovecot
        b"Authentication failed.",
        b"[AUTH] Invalid login",  # Cyrus
        b"Login failed.",  # Courier
        b"Logon failure: unknown user name or bad password.",  # Exchange
        b"Authentication failure: unknown user name or bad password.",
        b"[AUTH] Username and password not accepted.",  # Gmail
        b"[AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833",
        b"[AUTH] Web login required: https://support.google.com/mail/answer/78754",
        b"[AUTH] (#MBR1212) Incorrect username or password.",  # Yahoo
        b"[AUTH] login failure or POP3 disabled, try later. sc=abcdefgh",  # Yandex
        b"login failure or POP3 disabled, try later",
        b"Unable to log on",  # NetEase
        b"authorization failed",  # qmail, vpopmail
        b'Password supplied for "monitor" is incorrect.',  # Qpopper
        b'[AUTH] Password supplied for "monitor" is incorrect.',
        b"Bad login",  # UW, Teapop, vm-pop3d
        b"[AUTH] Bad login or password",  # GNU Mailutils
        b"Authentication failed (bad password?)",  # popa3d
        b"authentication failed",  # Solid-POP3, GMX
        b"invalid username/password",  # Zimbra
        b"Invalid user name or password. Please use full email address as user name.",  # hMailServer
        b"Authentication failed: invalid user or password",  # DavMail
        b"Re-Authentication Failure",  # perdition
        b"Access denied",
        b"invalid password",  # RFC 1939
        b"sorry, no mailbox for that user here, unknown user",
        b"no such user here",
        b"Maximum login attempts exceeded",
        b"permission denied",
        b"That is NOT the password.",  # Citadel
        b"ERR.LOGIN.PASSERR",  # NetEase
        b"[AUTH/EXPIRED] no",  # RFC 2449 section 8: codes may have details
        "Nome de usuário ou senha inválidos".encode(),
        "Неверный пароль".encode("cp1251"),
        "密码错误".encode("gb18030"),
    ),
    FailureReason.AUTH_UNAVAILABLE: (
        b"[SYS/TEMP] Temporary authentication failure. [mx1:2026-09-01 10:00:00]",  # Dovecot
        b"[IN-USE] Temporary authentication failure.",
        b"Temporary authentication failure.",
        b"[SYS/PERM] Unable to locate maildrop user.monitor: Mailbox does not exist",  # Cyrus
        b"[IN-USE] Unable to lock maildrop: Mailbox is locked by POP server",
        b"[IN-USE] maildrop is locked by another session, attempt again later",
        b"unable to open maildrop, it is locked (3 attempts)",
        b"maildrop already locked",  # RFC 1939
        b"internal server error",  # nginx
        b"Temporary problem, please try again later",  # Courier
        b"[IN-USE] maildrop lock busy!  Is another session active?",  # Qpopper
        b"POP lock busy!  Is another session active? (11)",
        b"monitor lock busy!  Is another session active? (11)",
        b"[SYS/TEMP] Unable to get temporary maildrop name",
        b"Server configuration error: unable to stat spool",
        b"Can't get lock.  Mailbox in use",  # UW
        b"unable to lock maildrop",  # Solid-POP3
        b"can't open maildrop",
        b"Unable to open user's mailbox",  # popa3d
        b"this user has no $HOME/Maildir",  # qmail
        b"unable to scan $HOME/Maildir",
        b"aack, child crashed",
        b"unable to fork",
        b"Your mailbox is already locked",  # hMailServer
        b"Mailbox Locked",  # VPOP3
        b"Maildrop already locked",  # MDaemon
        b"Another reader has the mailbox open",  # GNU Mailutils
        b"Could not connect to real server",  # perdition
        b"All network interfaces down or host unreachable !",  # DavMail
        b"[LOGIN-DELAY] minimum time between mail checks violation",
        b"[SYS/TEMP] Server error - Please try again later",  # Yahoo
        b"Server Unavailable. 15",  # Exchange
        b"system busy",
        "Servicio no disponible, inténtelo más tarde".encode(),
        b"[sys/temp/disk] full",
        b"[IN-USE/IMAP] no",
        b"login too frequent",
        b"You may not check mail more often than once every 15 minutes",
        b"",
        b"sorry",
    ),
    FailureReason.AUTH_DISABLED: (
        b"[SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable it.",
        b"pop access not enabled for account",  # Zimbra
        b"[AUTH] POP3 access is disabled for this user",
        b"Mailbox not allowed to use POP3",
        b"You are yet to enable POP for your account. Please contact your administrator",  # Zoho
    ),
    FailureReason.AUTH_MECHANISM_NOT_OFFERED: (
        b"Plaintext authentication disallowed on non-secure (SSL/TLS) connections.",  # Dovecot 2.3
        b"[AUTH] Cleartext authentication disallowed on non-secure (SSL/TLS) connections.",  # Dovecot 2.4
        b"only valid after entering TLS mode",  # Zimbra
        b"[AUTH] USER command only available under a layer",  # Cyrus
        b"Unknown authentication mechanism: PLAIN",  # Qpopper
        b"Command is not valid in this state.",  # Exchange
        b"STLS required",
        b"must use STLS first",
        b"[AUTH] Use STLS first: passwords only go over an encrypted line",
        b"USER command disabled, use APOP",
        b"USER not accepted, use APOP",
        b"Secure connection required to log in",
        b"Command disabled: plain text login not allowed",
    ),
    FailureReason.COMMAND_REFUSED: (
        b"Protocol error. 14",
        b"Unknown command",
        b"command not recognized",
        b"syntax error",
        b"unimplemented",
    ),
}

REFUSALS: Final[Mapping[Protocol, Refusals]] = {Protocol.SMTP: SMTP, Protocol.IMAP: IMAP, Protocol.POP3: POP3}
