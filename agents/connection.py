"""From the project's settings to those of the clients and of the runtime."""

import ssl
from typing import Any

from agents.runtime import RuntimeSettings
from app.config import Settings
from app.config.settings import Kafka


def security(kafka: Kafka) -> dict[str, Any]:
    """Connection arguments of aiokafka, beside the addresses."""
    found: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol.endswith("SSL"):
        context = ssl.create_default_context(cafile=str(kafka.ssl_cafile) if kafka.ssl_cafile else None)
        if kafka.ssl_certfile:
            secret = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile, secret)
        found["ssl_context"] = context
    if kafka.security_protocol.startswith("SASL"):
        found["sasl_mechanism"] = kafka.sasl_mechanism or "PLAIN"
        found["sasl_plain_username"] = kafka.sasl_username
        found["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return found


def client(settings: Settings) -> dict[str, Any]:
    """All connection arguments of aiokafka."""
    return {"bootstrap_servers": settings.kafka.bootstrap.split(","), **security(settings.kafka)}


def runtime_settings(settings: Settings) -> RuntimeSettings:
    """What the runtime is told of the project's settings."""
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
