"""handoff.toml: what the detector can be told. Overridden by `HANDOFF_*` variables, secrets also from files.

`HANDOFF_WORKER__DATA_DIR=/data` sets `[worker] data_dir`; `HANDOFF_KAFKA__SASL_PASSWORD_FILE=/run/secrets/kafka` reads
the value of `[kafka] sasl_password` from that file. Variables know no capitals: a location that the file does not name
is of small letters, unless it stands in JSON, `HANDOFF_RULES__H101__LOCATIONS={"S12": "30m"}`. All durations are
milliseconds once read.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from app.compose import RuleSettings
from app.config.durations import Duration
from app.config.errors import ConfigError, Disagreement, explained
from app.config.files import read_toml
from app.core.engine import Limits
from app.core.identity import Identities
from app.core.link_limits import LinkLimits
from app.rules import RULES
from schemas.events import Channel

SECRET_LENGTH = 16
"""The least number of characters of the links' secret."""
Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
_PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:,\[\]]+)(?::(?P<port>\d{1,5}))?")
_LAST_PORT = 65535
_PREFIX = "HANDOFF_"
_STRICT = ConfigDict(extra="forbid", frozen=True)


class Kafka(BaseModel):
    """Where the brokers are and how to speak to them."""

    model_config = _STRICT
    bootstrap: str = Field(default="127.0.0.1:9092", description="`host:port`, several separated by commas")
    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_key_password: SecretStr | None = None
    replication: int = Field(default=1, ge=1, description="Of the topics that `handoff topics` declares")

    @field_validator("bootstrap")
    @classmethod
    def _addresses(cls, bootstrap: str) -> str:
        found = [_ADDRESS.fullmatch(address.strip()) for address in bootstrap.split(",")]
        if not all(match and 0 < int(match["port"] or 1) <= _LAST_PORT for match in found):
            raise ValueError('allowed are addresses such as "kafka-1:9092", several separated by commas')
        return bootstrap

    @property
    def sasl(self) -> bool:
        """Whether it signs in with a name and a password."""
        return self.security_protocol.startswith("SASL")

    @property
    def encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return self.security_protocol.endswith("SSL")

    @model_validator(mode="after")
    def _protected_as_it_says(self) -> "Kafka":
        """A password without the protocol that uses it would mean a connection that is not as safe as it looks."""
        for prefix, used in (("sasl_", self.sasl), ("ssl_", self.encrypted)):
            given = [name for name in type(self).model_fields if name.startswith(prefix) and getattr(self, name)]
            if given and not used:
                allowed = [name for name in _PROTOCOLS if prefix.strip("_").upper() in name.split("_")]
                reason = f"security_protocol {self.security_protocol} uses none: allowed with it are"
                raise Disagreement(f"{given[0]} is set, and {reason} {', '.join(allowed)}")
        for name in ("sasl_username", "sasl_password") if self.sasl else ():
            if not getattr(self, name):
                raise Disagreement(f"{name} is missing: security_protocol {self.security_protocol} needs it")
        if self.ssl_certfile is None and (self.ssl_keyfile or self.ssl_key_password):
            raise Disagreement("ssl_certfile is missing: a key is set, and belongs to a certificate")
        return self


class Worker(BaseModel):
    """How a worker runs."""

    model_config = _STRICT
    app_id: str = Field(
        default="handoff", min_length=1, description="Names group and changelogs; all other topics have one name"
    )
    partitions: int = Field(default=8, ge=1, le=1000, description="Of handoff.events; fixed once there is state")
    processing: Literal["exactly-once", "at-least-once"] = "exactly-once"
    data_dir: Path = Field(default=Path(".handoff"), description="Local state; may be lost at any time")
    instance_id: str | None = Field(default=None, description="Static membership: a stable name of this worker")
    batch_max_records: int = Field(default=2_000, ge=1)
    batch_max: Duration = Field(default=100, description="A partition commits this often, or when a batch is full")
    tick_seconds: float = Field(default=1.0, gt=0, le=60)
    http_host: str = "127.0.0.1"
    http_port: int = Field(
        default=8710, ge=0, le=_LAST_PORT, description="/livez, /readyz, /metrics; 0 takes any free port"
    )
    compression: Literal["none", "snappy", "lz4", "zstd"] = Field(default="zstd", description="Of what it writes")


class Bounds(BaseModel):
    """What keeps state bounded."""

    model_config = _STRICT
    retention: Duration = Field(default=30 * 86_400_000, description="A case is closed this long after its last event")
    facts: int = Field(default=200, ge=10, le=1000, description="Facts that a case keeps; fewer where they are large")
    cases: int = Field(default=1000, ge=10, le=1000, description="Open cases that a customer may have")


class RuleTable(BaseModel):
    """What configuration says of one rule; what it leaves out stays as the rule has it."""

    model_config = _STRICT
    enabled: bool = True
    within: Duration | None = None
    channels: dict[Channel, Duration] = {}
    locations: dict[str, Duration] = {}
    subscribers: tuple[Channel, ...] | None = None

    def settings(self) -> RuleSettings:
        """The same as the core takes it."""
        channels = {str(channel): ms for channel, ms in self.channels.items()}
        return RuleSettings(self.enabled, self.within, channels, self.locations, self.subscribers)


class LinkSettings(BaseModel):
    """How events that name no customer find theirs."""

    model_config = _STRICT
    wait: Duration = Field(default=15 * 60_000, description="How long an event waits for its link, in event time")
    hold: Duration = Field(
        default=60_000,
        description="An event that waits holds back its channel's clock until all live channels are this far past it",
    )
    every: Duration = Field(
        default=500, description="How far a channel moves before the links pass it on: alerts may be twice that later"
    )
    secret: SecretStr | None = Field(
        default=None, description="Personal identifiers are hashed with it; a worker that may meet any needs it"
    )
    region: str | None = Field(default="US", description="The country of phone numbers that name none, ISO 3166")

    @field_validator("secret")
    @classmethod
    def _unguessable(cls, secret: SecretStr | None) -> SecretStr | None:
        """Whoever can guess it can try out every phone number there is."""
        if secret is not None and len(secret.get_secret_value().strip()) < SECRET_LENGTH:
            raise ValueError(f"allowed is a text of at least {SECRET_LENGTH} characters, blanks around it not counted")
        return secret

    @field_validator("region")
    @classmethod
    def _exists(cls, region: str | None) -> str | None:
        Identities(b"", region)
        return region

    def identities(self) -> Identities:
        """What makes identifiers of what events name; without a secret they hide nothing."""
        return Identities(self.secret.get_secret_value().encode() if self.secret is not None else b"", self.region)

    def core_limits(self) -> LinkLimits:
        """The limits as the core takes them."""
        return LinkLimits(wait_ms=self.wait, hold_ms=self.hold, every_ms=self.every)


class Settings(BaseSettings):
    """All of it, frozen."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=False
    )
    channels: Path = Field(default=Path("channels.toml"), description="Relative to the folder of handoff.toml")
    kafka: Kafka = Kafka()
    worker: Worker = Worker()
    limits: Bounds = Bounds()
    links: LinkSettings = LinkSettings()
    rules: dict[str, RuleTable] = {}

    @field_validator("rules", mode="before")
    @classmethod
    def _by_id(cls, rules: Any) -> Any:
        """Variables know no capitals: `HANDOFF_RULES__H101__WITHIN` comes as `h101`, over what the file says."""
        if not isinstance(rules, dict):
            return rules
        merged: dict[str, Any] = {}
        for key in sorted(rules, key=str.islower):
            above = rules[key]
            merged[key.upper()] = {**merged.get(key.upper(), {}), **above} if isinstance(above, dict) else above
        known = {rule.id for rule in RULES}
        if unknown := sorted(key for key in rules if key.upper() not in known):
            raise Disagreement(f"{', '.join(unknown)} is no rule; allowed are {', '.join(sorted(known))}")
        return merged

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - named by the base class
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `load_settings` reads the file and the environment."""
        return (init_settings,)

    def rule_settings(self) -> dict[str, RuleSettings]:
        """Rule id → what the core wants to know of it."""
        return {rule: of.settings() for rule, of in self.rules.items()}

    def core_limits(self) -> Limits:
        """The limits as the core takes them."""
        return Limits(self.limits.retention, self.limits.facts, self.limits.cases)


class _Variables(EnvSettingsSource):
    """`HANDOFF_*` of a given environment; `HANDOFF_X_FILE` stands for the content of that file."""

    def __init__(self, settings: type[BaseSettings], environment: Mapping[str, str]) -> None:
        self._environment = environment
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in _with_files(self._environment).items()}


def _with_files(environment: Mapping[str, str]) -> dict[str, str]:
    found = {name.upper(): value for name, value in environment.items() if name.upper().startswith(_PREFIX)}
    for name in [name for name in found if name.endswith("_FILE") and "__" in name]:
        path = Path(found.pop(name))
        try:
            found[name.removesuffix("_FILE")] = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{name} is {str(path)!r}: the file cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{name} is {str(path)!r}: the file cannot be read: allowed is text, in UTF-8") from None
    return found


def load_settings(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """handoff.toml (none: defaults), overridden by the environment (none: the process's own). Raises ConfigError."""
    environment = os.environ if environment is None else environment
    tables = read_toml(path) if path is not None else {}
    _check_names(environment)
    where = str(path) if path is not None else "settings"
    try:
        return Settings(**_over(tables, _Variables(Settings, environment)()))
    except SettingsError as error:
        field = str(error).partition('field "')[2].partition('"')[0]
        name = f"{_PREFIX}{field.upper()}"
        raise ConfigError(
            f"{name}…: allowed is the value of one key, as in {name}__KEY=…, or a table as JSON"
        ) from None
    except ValidationError as error:
        raise explained(error, Settings, where, _told_by(environment, path)) from None


def _told_by(environment: Mapping[str, str], file: Path | None) -> Callable[[Sequence[str]], str | None]:
    """What says of the path of a key which variables its value is from; None where it is from none."""
    ours = sorted(name for name in environment if name.upper().startswith(_PREFIX))
    names = {name.upper().removesuffix("_FILE"): name for name in ours}  # a file goes before the value itself

    def told_by(path: Sequence[str]) -> str | None:
        key = f"{_PREFIX}{'__'.join(path)}".upper()
        whole = [name for of, name in names.items() if f"{key}__".startswith(f"{of}__")]
        parts = [name for of, name in names.items() if of.startswith(f"{key}__")]
        if whole or not parts:
            return ", ".join(whole) or None
        return ", ".join(parts if file is None else [str(file), *parts])

    return told_by


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of both; where both say something, what is above. Variables know no capitals, and mean the keys that
    the file has.
    """
    merged = dict(below)
    spelt = {key.lower(): key for key in below}
    for name, value in above.items():
        key = name if name in below else spelt.get(name.lower(), name)
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _check_names(environment: Mapping[str, str]) -> None:
    """A misspelt section in a variable, or one `_` for two, would otherwise be passed over in silence."""
    meant = _meant()
    for name in environment:
        path = name.upper().removeprefix(_PREFIX)
        section, nested, _ = path.partition("__")
        if not name.upper().startswith(_PREFIX):
            continue
        if nested and section.lower() not in _TABLES:
            allowed = ", ".join(f"{_PREFIX}{field.upper()}" for field in _TABLES)
            raise ConfigError(f"{name} is not known; allowed are {allowed}, then `__` and the key")
        if right := meant.get(path.removesuffix("_FILE")):
            raise ConfigError(f"{name} is not known; allowed is {_PREFIX}{right}, with two `_` before each key")


def _meant() -> dict[str, str]:
    """What it looks like where somebody writes one `_` for two → what was meant. Only that is refused: others may have
    variables with our prefix too, as Kubernetes does for a service of that name.
    """
    tables = {name: of.annotation for name, of in Settings.model_fields.items() if name in _TABLES and name != "rules"}
    paths = [(name, key) for name, table in tables.items() for key in getattr(table, "model_fields", ())]
    of_rules = [("rules", rule.id, key) for rule in RULES for key in RuleTable.model_fields]
    return {"_".join(path).upper(): "__".join(path).upper() for path in (*paths, *of_rules)}


_TABLES = tuple(name for name in Settings.model_fields if name != "channels")
"""The sections of handoff.toml."""
