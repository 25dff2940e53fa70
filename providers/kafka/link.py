"""Opens kafka-python clients and turns what goes wrong into our errors, with the cause named.

kafka-python retries a refused password until its bootstrap time-out and then only says "Unable to bootstrap"; the cause
stands in its log alone. So every link listens to the log records of its own client (told apart by the client id in the
thread's name) and reads the cause from there.
"""

import contextlib
import logging
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from typing import Any, override

from kafka import errors
from kafka.net.compat import KafkaNetClient

import providers.kafka.mending  # noqa: F401  sockets of refused connections
from providers.kafka.settings import Settings
from runtime.errors import Misconfigured, TrimaranError, Unavailable

REFUSED = (errors.SaslAuthenticationFailedError, errors.UnsupportedSaslMechanismError, errors.IllegalSaslStateError)
UNTRUSTED = "CERTIFICATE_VERIFY_FAILED"  # OpenSSL's word, which kafka-python passes on as text
NOISE = ("not ready; waiting", "blocking the event loop")  # of a busy machine
FORBIDDEN = errors.AuthorizationError
SLICE_S = 1.0  # the first attempt: a refused password is told after it; each next one has twice the time, for slow networks

logging.getLogger("kafka").addHandler(logging.NullHandler())  # else its warnings go to stderr of whoever embeds us


class Heard(logging.Handler):
    """Keeps the newest errors that one client logged."""

    def __init__(self, client_id: str) -> None:
        super().__init__(logging.WARNING)
        self._client_id = client_id
        self._thread = threading.get_ident()
        self._causes: deque[Exception | str] = deque(maxlen=20)
        logging.getLogger("kafka").addHandler(self)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if self._client_id not in str(record.threadName) and record.thread != self._thread:
            return
        arguments = record.args if isinstance(record.args, tuple) else ()
        raised = [argument for argument in arguments if isinstance(argument, Exception)]
        self._causes.append(raised[-1] if raised else record.getMessage())

    def refusal(self) -> Exception | str | None:
        """The newest refusal of our credentials, certificate or mechanism."""
        causes = reversed(list(self._causes))
        return next((cause for cause in causes if refuses(cause)), None)

    def newest(self) -> str:
        """The newest cause in words, rather one that says more than that it took too long; or nothing."""
        causes = list(reversed(list(self._causes)))
        told = [one for one in causes if not isinstance(one, errors.KafkaTimeoutError) and not any(word in str(one) for word in NOISE)]
        return _words((told or causes)[0]) if causes else ""

    def last(self) -> str:
        """The last word."""
        return _words(self._causes[-1]) if self._causes else ""

    def forget(self) -> None:
        """What was heard belongs to an attempt that is over."""
        self._causes.clear()

    def stop(self) -> None:
        """Listen no more."""
        logging.getLogger("kafka").removeHandler(self)


def refuses(cause: Exception | str) -> bool:
    """Whether this says that retrying is of no use: credentials, mechanism or certificate do not fit."""
    return isinstance(cause, REFUSED) or UNTRUSTED in str(cause)


def _words(cause: Exception | str) -> str:
    if isinstance(cause, str):
        return cause
    name, text = type(cause).__name__, str(cause.args[0]) if cause.args else ""
    return text if text.startswith(name) else f"{name}: {text}".removesuffix(": ")


class Link:
    """One client's way to the brokers: opens it within the deadline, and explains its errors."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client_id = f"trimaran-{uuid.uuid4().hex[:12]}"
        self._heard = Heard(self.client_id)

    def open(self, make: Callable[..., Any], **options: Any) -> Any:
        """Make a kafka-python client; `Misconfigured` when we are refused, `Unavailable` after the deadline."""
        until = time.monotonic() + self.settings.deadline_s
        seconds = SLICE_S
        self._knock(until)
        while True:
            made: list[Any] = []
            try:
                return make(**self._options(made, min(seconds, until - time.monotonic())), **options)
            except errors.KafkaError as error:
                for client in made:
                    client.close()
                self._raise_unless_worth_retrying(error, until)
            seconds *= 2

    def _options(self, made: list[Any], seconds: float) -> dict[str, Any]:
        def keep(**config: Any) -> Any:
            made.append(KafkaNetClient(**config))  # a constructor that fails leaves its I/O thread running: ours to close
            return made[-1]

        return {
            "bootstrap_servers": list(self.settings.servers),
            "client_id": self.client_id,
            "kafka_client": keep,
            "bootstrap_timeout_ms": max(100, seconds * 1000),
            "reconnect_backoff_max_ms": 1000,
            "connections_max_idle_ms": 180_000,  # Event Hubs and load balancers cut what idles for four minutes
            "metadata_max_age_ms": 180_000,
            **self.settings.security,
        }

    def _knock(self, until: float) -> None:
        """Fail at once when nobody listens at any of the addresses: whoever called retries with backoff."""
        reasons = []
        for server in self.settings.servers:
            host, _, port = server.rpartition(":")
            try:
                patience = max(0.1, min(2.0, until - time.monotonic()))
                socket.create_connection((host.strip("[]"), int(port)), timeout=patience).close()
            except OSError as error:
                reasons.append(f"{server}: {error.strerror or error}")
            else:
                return
        raise Unavailable(f"no Kafka broker listens: {'; '.join(reasons)}")

    def _raise_unless_worth_retrying(self, error: Exception, until: float) -> None:
        explained = self.explain(error, "connect")
        if isinstance(explained, Misconfigured) or time.monotonic() >= until:
            raise explained from error
        self._heard.forget()

    def explain(self, error: Exception, doing: str, *, in_doubt: bool = False) -> TrimaranError:
        """Our error for one of kafka-python's: refused or forbidden is `Misconfigured`, the rest `Unavailable`."""
        refusal = self._heard.refusal()
        if refuses(error) or refusal is not None:
            cause = _words(refusal or error)
            return Misconfigured(f"Kafka at {self.settings.name} refuses us: {cause}: check user, password, mechanism and cafile")
        if isinstance(error, FORBIDDEN):
            return Misconfigured(f"Kafka at {self.settings.name} does not let us {doing}: {_words(error)}: grant the right")
        heard = self._heard.newest()
        cause = f"{_words(error)}; {heard}" if heard else _words(error)
        return Unavailable(f"Kafka at {self.settings.name} did not {doing}: {cause}", in_doubt=in_doubt)

    def misses(self, topic: str) -> bool:
        """Whether the newest word of the brokers is that there is no such topic."""
        return self._heard.last() == f"Topic {topic} not found in cluster metadata"

    def forget(self) -> None:
        """Something new begins: earlier log records explain nothing of it."""
        self._heard.forget()

    @contextlib.contextmanager
    def explaining(self, doing: str) -> Any:
        """A block whose kafka-python errors become ours."""
        self.forget()
        try:
            yield
        except errors.KafkaError as error:
            raise self.explain(error, doing) from error

    def close(self) -> None:
        """Listen to the log no more."""
        self._heard.stop()
