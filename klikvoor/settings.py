"""Settings of Klikvoor: everything that differs between installations comes from the environment.

`docs/settings.md` lists the variables. What is needed and missing stops the process with a
sentence that says so; what is unsafe is refused by `klikvoor.startup` before anybody is served.
"""

import os
import sys
from pathlib import Path

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from klikvoor.sentinel import Sentinels

BASE_DIR = Path(__file__).resolve().parent.parent


class _Variables(FileAwareMapping):
    """Editors and `echo` end a file with a line feed, which is no part of a key or an address."""

    def __getitem__(self, key: str) -> str:
        return str(super().__getitem__(key)).rstrip("\r\n")


def _read(path: str) -> None:
    """Add the lines of a file. What the environment says itself goes first, in either form."""
    given = set(os.environ)
    try:
        with Path(path).open() as lines:
            environ.Env.read_env(lines)
    except OSError as error:
        raise ImproperlyConfigured(
            f"KLIKVOOR_ENV_FILE names {path}, which cannot be read ({error.strerror})."
        ) from None
    for name in given:
        if f"{name}_FILE" not in given:
            # `DATABASE_URL=… manage.py restore` may not lead to the database of a file.
            os.environ.pop(f"{name}_FILE", None)


env = environ.FileAwareEnv()
env.ENVIRON = _Variables()
if env_file := os.environ.get("KLIKVOOR_ENV_FILE"):
    _read(env_file)


def required(name: str) -> str:
    """Return the variable, or stop with the sentence that an operator needs."""
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(
            f"{name} is not set. `python -m klikvoor.newkeys` prints fresh values."
        )
    return value


DEBUG = False
DEMO = env.bool("DEMO", default=False)
SECRET_KEY = required("SECRET_KEY")
# While SECRET_KEY changes: the one before, or the one to come (docs/operations.md, Keys).
SECRET_KEY_FALLBACKS = env.str("SECRET_KEY_FALLBACKS", default="").split()

# Keys that seal what people wrote, newest first: "id:base64 id:base64". See institutions/sealing.py.
SEALING_KEYS = required("SEALING_KEYS")
# Stays when SEALING_KEYS rotate: tokens and codes are found back by their keyed hash.
HASHING_KEY = required("HASHING_KEY")

# The addresses in people's browsers, scheme and all: pages, sockets and cookies follow from them.
ORIGINS = env.list("ORIGINS", default=["http://localhost:8000", "http://127.0.0.1:8000"])
ALLOWED_HOSTS = [origin.split("://", 1)[1].rsplit(":", 1)[0] for origin in ORIGINS]
SECURE = all(origin.startswith("https://") for origin in ORIGINS)

INSTALLED_APPS = [
    "klikvoor",
    "mail",
    "triage",
    "chat",
    "roster",
    "institutions",
    "channels",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "klikvoor.middleware.SecurityHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "klikvoor.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "institutions.middleware.SignInMiddleware",
    "institutions.middleware.StaffMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
]

ROOT_URLCONF = "klikvoor.urls"
ASGI_APPLICATION = "klikvoor.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "klikvoor.context.site",
            ],
        },
    }
]

# --- Database -----------------------------------------------------------------------------------

DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var/klikvoor.sqlite3'}")
DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
DATABASE = DATABASES["default"]
# Connections to PostgreSQL that one process may hold.
DATABASE_POOL = env.int("DATABASE_POOL", default=24)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # FULL, because an acknowledged message must survive a power cut; grouped commits pay for it.
    # secure_delete, because what is erased must not stay readable in the file.
    # A checkpoint takes 5 to 10 ms, during which nothing is committed, and comes every 16 MiB instead of
    # every four: at a hundred messages a second they were the p99.
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
            "PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=4000;"
        ),
    }
    DATABASE["TEST"] = {"NAME": str(BASE_DIR / "var/test.sqlite3")}
else:
    # A database whose machine vanished without a word counts as gone after ten seconds, instead of
    # after a quarter of an hour. What DATABASE_URL says behind its `?` goes first.
    DATABASE["OPTIONS"] = {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        **DATABASE.get("OPTIONS", {}),
        "pool": {"min_size": 2, "max_size": DATABASE_POOL, "timeout": 10},
    }
    DATABASE["TEST"] = {"NAME": "test_klikvoor"}

# What young people took back, for who restores a backup from before (chat/erased.py). Best on another disk.
_BESIDE = DATABASE["NAME"] if "sqlite3" in DATABASE["ENGINE"] else BASE_DIR / "var/klikvoor"
ERASED_LIST = env.str("ERASED_LIST", default=f"{_BESIDE}.erased")
# Where PostgreSQL's pg_dump and pg_restore are, if not where Debian and others put them.
PG_BIN = env.str("PG_BIN", default="")

# --- Processes ----------------------------------------------------------------------------------

# Empty: one process, no doorbell between processes needed. Else redis://, rediss://, unix://, or
# redis+sentinel:// (klikvoor/sentinel.py).
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    _sentinels = Sentinels.at(REDIS_URL)
    # The pub/sub layer, because the default one drops silently and loses its readers when Redis
    # restarts. The database is the truth, so nothing that is written down here matters.
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [_sentinels.for_layer() if _sentinels else REDIS_URL],
                "symmetric_encryption_keys": [SECRET_KEY, *SECRET_KEY_FALLBACKS],
            },
        }
    }
    CACHES = {
        "default": {
            "BACKEND": "klikvoor.cache.Cache",
            # A list, because Django cuts a text at its commas.
            "LOCATION": [REDIS_URL],
            # A Redis that hangs holds nobody up for longer than this.
            "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- Chat ---------------------------------------------------------------------------------------

# Commands that one connection may give in ten seconds; a worker may give three times as many.
COMMAND_BUDGET = env.int("COMMAND_BUDGET", default=60)
# Database threads for everything on sockets but posting (chat/database.py).
DATABASE_THREADS = env.int("DATABASE_THREADS", default=6)

# --- Monitoring ----------------------------------------------------------------------------------

# Who may read /metrics: whoever has this; without it whoever reaches the process itself.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- Mail ---------------------------------------------------------------------------------------

EMAIL_URL = env.str("EMAIL_URL", default=f"filemail:///{BASE_DIR / 'var/mail'}")
vars().update(environ.Env.email_url_config(EMAIL_URL))
if DEMO and EMAIL_URL.startswith("filemail:"):
    EMAIL_BACKEND = "klikvoor.demo.mail.EmailBackend"  # a file for whom one may be, not for 150
EMAIL_TIMEOUT = 20  # seconds; without it a mail server that hangs holds a thread for ever
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Klikvoor <noreply@localhost>")
# Mail to young people: the address only, because their sites have neutral names for it.
MAIL_FROM = env.str("MAIL_FROM", default="")
# Where they answer to; becomes name+token@domain. Empty: answering by mail is not possible.
MAIL_REPLY_TO = env.str("MAIL_REPLY_TO", default="")
# How their mail comes in: handed over by a mail server, or fetched from a mailbox.
MAIL_LISTEN = env.str("MAIL_LISTEN", default="")
MAIL_FETCH_URL = env.str("MAIL_FETCH_URL", default="")

# --- Staff sign in; visitors never do -----------------------------------------------------------

AUTH_USER_MODEL = "institutions.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/staff/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "institutions.adapters.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # the invitation went to the address
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Klikvoor: "
ACCOUNT_EMAIL_NOTIFICATIONS = True  # tell people that their password or second factor changed
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody signs up here, so no mail to strangers
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)
MFA_ADAPTER = "institutions.adapters.MFAAdapter"
MFA_FORMS = {
    "activate_totp": "institutions.mfa_forms.ActivateTOTPForm",
    "add_webauthn": "institutions.mfa_forms.AddPasskeyForm",
    "authenticate_webauthn": "institutions.mfa_forms.AuthenticatePasskeyForm",
    "edit_webauthn": "institutions.mfa_forms.RenamePasskeyForm",
    "login_webauthn": "institutions.mfa_forms.LoginPasskeyForm",
    "reauthenticate_webauthn": "institutions.mfa_forms.ReauthenticatePasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_PASSKEY_SIGNUP_ENABLED = False
MFA_TRUST_ENABLED = False
MFA_TOTP_ISSUER = "Klikvoor"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SECURE
USERSESSIONS_TRACK_ACTIVITY = False
SESSION_COOKIE_AGE = 12 * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_ENGINE = "institutions.sessions"

# --- Language and time --------------------------------------------------------------------------

LANGUAGE_CODE = "nl"
LANGUAGES = [("nl", "Nederlands"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Europe/Amsterdam"

# --- Files --------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(BASE_DIR / "var/static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "klikvoor.storage.StaticFilesStorage"},
}

# --- Safety -------------------------------------------------------------------------------------

_cookie = "__Host-{}" if SECURE else "{}"
VISIT_COOKIE_NAME = _cookie.format("visit")
SESSION_COOKIE_NAME = _cookie.format("session")
CSRF_COOKIE_NAME = _cookie.format("csrf")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_AGE = None
CSRF_TRUSTED_ORIGINS = ORIGINS
SECURE_SSL_REDIRECT = False  # the proxy's work; see deploy/
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Not no-referrer: with it browsers send "Origin: null" with forms (docs/decisions/0003).
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 100
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],  # data: for the TOTP code that allauth draws
        "connect-src": [SELF, *(o.replace("http", "ws", 1) for o in ORIGINS)],
        "form-action": [SELF],
        "manifest-src": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "require-trusted-types-for": ["'script'"],
    }
}
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # redirecting to https is the proxy's work
    "security.W005",  # subdomains belong to other institutions
    "security.W021",  # preload is decided per domain
]

# --- Logs: times, verbs and counts; never an address, a text or a code --------------------------

LOG_FORMAT = env.str("LOG_FORMAT", default="text")
if LOG_FORMAT not in ("text", "json"):
    raise ImproperlyConfigured("LOG_FORMAT is text or json.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"()": "klikvoor.logs.LineFormatter"},
        "json": {"()": "klikvoor.logs.JSONFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "klikvoor.logs.Handler",
            "formatter": LOG_FORMAT,
            "stream": sys.stderr,
        }
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "klikvoor": {"level": "INFO"},
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        # Refused requests name their path; nobody needs them and some paths are private.
        "django.security": {"level": "ERROR"},
        "django.request": {"level": "ERROR"},
        # What aiosmtpd calls its own; it names addresses.
        "mail.log": {"level": "CRITICAL"},
    },
}
LOGGING_CONFIG = "logging.config.dictConfig"
