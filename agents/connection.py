"""From the project's settings to those of the clients and of the runtime."""

import ssl
from typing import Any

from agents.runtime import RuntimeSettings
from app.config import ConfigError, Settings
from app.config.settings import Kafka


def security(kafka: Kafka) -> dict[str, Any]:
    """Connection arguments of aiokafka, beside the addresses. Raises ConfigError for files that cannot be used."""
    found: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.encrypted:
        found["ssl_context"] = _context(kafka)
    if kafka.sasl:
        found["sasl_mechanism"] = kafka.sasl_mechanism or "PLAIN"
        found["sasl_plain_username"] = kafka.sasl_username
        found["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return found


def _context(kafka: Kafka) -> ssl.SSLContext:
    """Without a file of authorities, those that the system trusts. The broker's certificate must be of its name."""
    try:
        context = ssl.create_default_context(cafile=str(kafka.ssl_cafile) if kafka.ssl_cafile else None)
    except OSError as error:
        raise ConfigError(f"kafka.ssl_cafile is '{kafka.ssl_cafile}': {_why(error)}") from None
    try:
        if kafka.ssl_certfile:
            # Without a password OpenSSL would ask at the terminal for that of a key that has one.
            secret = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else ""
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, secret)
    except OSError as error:
        files = " with ".join(f"'{file}'" for file in (kafka.ssl_certfile, kafka.ssl_keyfile) if file)
        raise ConfigError(f"kafka.ssl_certfile is {files}: {_why(error)}") from None
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"allowed is PEM that belongs together, with the password of the key where it has one ({error.reason})"
    return f"cannot be read: {error.strerror}"


def client(settings: Settings) -> dict[str, Any]:
    """All connection arguments of aiokafka. Raises ConfigError."""
    servers = [server.strip() for server in settings.kafka.bootstrap.split(",")]
    return {"bootstrap_servers": servers, **security(settings.kafka)}


def runtime_settings(settings: Settings) -> RuntimeSettings:
    """What the runtime is told of the project's settings. Raises ConfigError."""
    worker, kafka = settings.worker, settings.kafka
    return RuntimeSettings(
        app_id=worker.app_id,
        bootstrap_servers=kafka.bootstrap,
        data_dir=worker.data_dir,
        security=security(kafka),
        instance_id=worker.instance_id,
        processing=worker.processing,
        batch_max_records=worker.batch_max_records,
        batch_max_ms=worker.batch_max,
        tick_ms=round(worker.tick_seconds * 1000),
        compression=worker.compression,
        replication=kafka.replication,
        http_host=worker.http_host,
        http_port=worker.http_port,
    )
