"""How the clients sign in and whom they trust: from `[kafka]` to what aiokafka takes."""

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from agents.connection import client, runtime_settings, security
from app.config import ConfigError, Settings, load_settings
from app.config.files import write_toml

PASSWORD = "a password of the broker"
NONE_USED = "security_protocol PLAINTEXT uses none: allowed with it are"


def configured(**kafka: object) -> Settings:
    return load_settings(None, {f"HANDOFF_KAFKA__{name.upper()}": str(value) for name, value in kafka.items()})


def signed_in(protocol: str, **kafka: object) -> Settings:
    return configured(security_protocol=protocol, sasl_username="handoff", sasl_password=PASSWORD, **kafka)


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate, its key, and the same key under the password `of the key`."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificates with openssl, which is not on the PATH")
    folder = tmp_path_factory.mktemp("pem")
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker", "-days", "2"]
    locked = ["rsa", "-aes256", "-in", "key.pem", "-out", "locked.pem", "-passout", "pass:of the key"]
    for arguments in ([*made, "-keyout", "key.pem", "-out", "cert.pem"], locked):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


def test_by_default_nothing_is_encrypted_and_nobody_signs_in() -> None:
    assert client(configured(bootstrap="a:1, b:2")) == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "PLAINTEXT",
    }


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_name_and_a_password_sign_in_by_the_mechanism(mechanism: str) -> None:
    assert security(signed_in("SASL_PLAINTEXT", sasl_mechanism=mechanism).kafka) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": "handoff",
        "sasl_plain_password": PASSWORD,
    }


def test_without_a_mechanism_it_is_plain() -> None:
    assert security(signed_in("SASL_SSL").kafka)["sasl_mechanism"] == "PLAIN"


def test_a_password_comes_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")

    found = configured(security_protocol="SASL_SSL", sasl_username="handoff", sasl_password_file=tmp_path / "password")

    assert security(found.kafka)["sasl_plain_password"] == PASSWORD


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_asks_for_a_certificate_of_the_brokers_name(protocol: str) -> None:
    settings = configured(security_protocol="SSL") if protocol == "SSL" else signed_in(protocol)

    context = security(settings.kafka)["ssl_context"]

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_an_authority_of_ones_own_is_trusted_alone(pem: Path) -> None:
    context = security(configured(security_protocol="SSL", ssl_cafile=pem / "cert.pem").kafka)["ssl_context"]

    assert [dict(*one["subject"])["commonName"] for one in context.get_ca_certs()] == ["broker"]


@pytest.mark.parametrize("key", [{"ssl_keyfile": "key.pem"}, {"ssl_keyfile": "locked.pem"}], ids=["bare", "locked"])
def test_a_client_shows_its_certificate(pem: Path, key: dict[str, str]) -> None:
    files: dict[str, object] = {name: pem / file for name, file in key.items()} | {"ssl_certfile": pem / "cert.pem"}
    if key["ssl_keyfile"] == "locked.pem":
        files["ssl_key_password"] = "of the key"

    assert "ssl_context" in security(configured(security_protocol="SSL", **files).kafka)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"ssl_cafile": "nowhere.pem"}, ("kafka.ssl_cafile is '", "nowhere.pem': cannot be read: No such file")),
        ({"ssl_cafile": "empty.pem"}, ("kafka.ssl_cafile is '", "allowed is PEM")),
        ({"ssl_certfile": "nowhere.pem"}, ("kafka.ssl_certfile is '", "cannot be read: No such file")),
        ({"ssl_certfile": "cert.pem"}, ("kafka.ssl_certfile is '", "allowed is PEM that belongs together")),
        ({"ssl_certfile": "cert.pem", "ssl_keyfile": "locked.pem"}, ("locked.pem'", "with the password of the key")),
    ],
    ids=["no such authorities", "no authorities", "no such certificate", "no key", "no password of the key"],
)
def test_files_that_cannot_be_used_are_named(pem: Path, files: dict[str, str], words: tuple[str, ...]) -> None:
    (pem / "empty.pem").touch()
    settings = configured(security_protocol="SSL", **{name: pem / file for name, file in files.items()})

    with pytest.raises(ConfigError) as error:
        client(settings)

    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_worker_is_told_the_same() -> None:
    settings = signed_in("SASL_PLAINTEXT", bootstrap="a:1, b:2")

    told = runtime_settings(settings)

    assert {"bootstrap_servers": told.servers, **told.security} == client(settings)


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_the_clients_take_it(protocol: str) -> None:
    settings = signed_in(protocol) if protocol.startswith("SASL") else configured(security_protocol=protocol)
    arguments: dict[str, Any] = client(settings)

    async def made() -> None:
        AIOKafkaProducer(**arguments)
        await AIOKafkaConsumer(**arguments).stop()

    asyncio.run(made())


@pytest.mark.parametrize(
    ("kafka", "words"),
    [
        ({"security_protocol": "SASL_SSL"}, "kafka.sasl_username is missing: security_protocol SASL_SSL needs it"),
        (
            {"security_protocol": "SASL_SSL", "sasl_username": "handoff"},
            "kafka.sasl_password is missing: security_protocol SASL_SSL needs it",
        ),
        (
            {"sasl_password": PASSWORD},
            f"kafka.sasl_password is set, and {NONE_USED} SASL_PLAINTEXT, SASL_SSL",
        ),
        (
            {"ssl_cafile": "/ca.pem"},
            f"kafka.ssl_cafile is set, and {NONE_USED} SSL, SASL_SSL",
        ),
        (
            {"security_protocol": "SSL", "ssl_keyfile": "/key.pem"},
            "kafka.ssl_certfile is missing: a key is set, and belongs to a certificate",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_an_error_that_repeats_no_secret(kafka: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as error:
        configured(**kafka)

    names = sorted(f"HANDOFF_KAFKA__{key.upper()}" for key in kafka)
    assert str(error.value) == f"{', '.join(names)}: {words}"


def test_what_is_in_force_is_shown_with_every_secret_masked() -> None:
    settings = signed_in("SASL_SSL", ssl_certfile="/cert.pem", ssl_key_password="of the key")

    shown = write_toml(settings.model_dump(mode="json"))

    assert 'sasl_username = "handoff"' in shown
    assert 'sasl_password = "**********"' in shown
    assert 'ssl_key_password = "**********"' in shown
    assert PASSWORD not in shown + repr(settings)
    assert "of the key" not in shown + repr(settings)


@pytest.mark.parametrize("codec", ["none", "snappy", "lz4", "zstd"])
def test_what_workers_write_is_compressed_as_they_are_told(codec: str) -> None:
    settings = load_settings(None, {"HANDOFF_WORKER__COMPRESSION": codec})

    assert runtime_settings(settings).compression == codec


def test_workers_write_zstd_unless_told_otherwise() -> None:
    assert runtime_settings(Settings()).compression == "zstd"


def test_a_codec_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"allowed is 'none', 'snappy', 'lz4' or 'zstd'"):
        load_settings(None, {"HANDOFF_WORKER__COMPRESSION": "brotli"})
