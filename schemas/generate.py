"""Writes what others read of the schemas: JSON Schema files, the AsyncAPI document, the topics for deployment.

    python -m schemas.generate [--check]

All of it follows from the structs and from `schemas.topics`; nothing in it is written by hand twice.
"""

import json
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.alerts import Alert
from schemas.codec import TICK, TickData
from schemas.events import CHANNELS, TYPES, Customer
from schemas.links import KIN, LINK, Kin, Link
from schemas.rejects import HEADERS
from schemas.topics import PARTITIONS, TOPICS, Topic

ROOT = Path(__file__).parent.parent
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{name}"
Json = dict[str, Any]


def _named(title: str, description: str, body: Json) -> Json:
    return {"$schema": DIALECT, "title": title, "description": description, **body}


def _envelope(types: Sequence[str], *, without: Collection[str] = ()) -> Json:
    """The CloudEvents attributes; extensions that this does not name are allowed."""
    text = {"type": "string", "minLength": 1, "maxLength": 200}
    properties = {
        "specversion": {"const": "1.0"},
        "id": {**text, "description": "Unique within the source."},
        "source": {**text, "description": "Who produced the event."},
        "type": {"enum": list(types)},
        "time": {"type": "string", "format": "date-time", "description": "When it happened in that channel."},
        "channel": {"enum": list(CHANNELS)},
        "data": {"type": "object"},
    }
    kept = {name: schema for name, schema in properties.items() if name not in without}
    return {"type": "object", "properties": kept, "required": list(kept)}


def event_schema() -> Json:
    """A canonical event; what `data` holds is told by `type`."""
    refs, defs = msgspec.json.schema_components([Customer, *TYPES.values()], ref_template=_REF)
    for cls in TYPES.values():
        # In the struct the tag stands inside; in the envelope it stands beside the data.
        data = defs[cls.__name__]
        data["properties"] = {"customer": {"$ref": "#/$defs/Customer"}, **data["properties"]}
        del data["properties"]["type"]
        data["required"] = [name for name in data["required"] if name != "type"]
    choices = [
        {"if": {"properties": {"type": {"const": name}}}, "then": {"properties": {"data": ref}}}
        for name, ref in zip(TYPES, refs[1:], strict=True)
    ]
    description = "A CloudEvents 1.0 event in JSON structured mode, with the extension `channel`."
    return _named("Event", description, {**_envelope(list(TYPES)), "allOf": choices, "$defs": defs})


def tick_schema() -> Json:
    """A tick: how far the channels have been heard."""
    return _record("Tick", "A record that moves the watermarks of channels.", _envelope([TICK]), TickData)


def link_schema() -> Json:
    """A link: an identifier leads to a customer. No channel says it."""
    description = "Says to whom the identifier that is the record's key leads, or which order a parcel holds."
    return _record("Link", description, _learned(LINK), Link)


def kin_schema() -> Json:
    """Kin: an event named two identifiers."""
    description = "Says which identifier an event named beside the one that is the record's key."
    return _record("Kin", description, _learned(KIN), Kin)


def _learned(kind: str) -> Json:
    body = _envelope([kind], without=("channel",))
    body["properties"]["id"] = {
        "type": "string",
        "minLength": 1,
        "description": "Whoever says the same again gives it the same id.",
    }
    return body


def _record(title: str, description: str, body: Json, data: type[msgspec.Struct]) -> Json:
    """A record of one type, whose data is one struct."""
    (body["properties"]["data"],), defs = msgspec.json.schema_components([data], ref_template=_REF)
    return _named(title, description, {**body, "$defs": defs})


def alert_schema() -> Json:
    """An alert, as its topic carries it."""
    (_,), defs = msgspec.json.schema_components([Alert], ref_template=_REF)
    alert = defs.pop("Alert")
    return _named(alert.pop("title"), alert.pop("description"), {**alert, "$defs": defs})


def reject_schema() -> Json:
    """The headers of a reject; its value is whatever bytes could not be read."""
    properties = {name: {"type": "string"} for name in HEADERS}
    body = {"type": "object", "properties": properties, "required": list(HEADERS)}
    return _named("Reject headers", "The names are those of Kafka Connect's dead letter queues.", body)


SCHEMAS = {
    "event": event_schema,
    "tick": tick_schema,
    "link": link_schema,
    "kin": kin_schema,
    "alert": alert_schema,
    "reject": reject_schema,
}

# Who sends what where: for each operation its action, its topic and its messages.
OPERATIONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "ingest": ("send", "handoff.events", ("event", "tick")),
    "ask": ("send", "handoff.links", ("event", "link", "kin", "tick")),
    "link": ("receive", "handoff.links", ("event", "link", "kin", "tick")),
    "detect": ("receive", "handoff.events", ("event", "tick")),
    "alert": ("send", "handoff.alerts", ("alert",)),
    "refuse": ("send", "handoff.rejects", ("reject",)),
}


def _message(name: str) -> Json:
    schema = {"schemaFormat": "application/schema+json;version=draft-2020-12", "schema": {"$ref": f"json/{name}.json"}}
    if name == "reject":
        return {"contentType": "application/octet-stream", "headers": schema}
    return {"contentType": "application/json", "payload": schema}


def _configuration(topic: Topic) -> Json:
    told = {key: value for key, value in topic.config().items() if key not in topic.tuning}
    return {**told, "cleanup.policy": topic.cleanup.split(",")}


def _channel(topic: Topic) -> Json:
    carried = {m for _, name, messages in OPERATIONS.values() if name == topic.name for m in messages}
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Value: {topic.value}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in SCHEMAS if name in carried},
        "bindings": {
            "kafka": {"topic": topic.name, "topicConfiguration": _configuration(topic), "bindingVersion": "0.5.0"}
        },
    }


def _operation(action: str, topic: str, messages: Sequence[str]) -> Json:
    channel = f"#/channels/{topic}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in messages],
    }


def asyncapi() -> Json:
    """The topics of the detector as an AsyncAPI 3 document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Handoff detector",
            "version": "1",
            "description": "Events of channels in, alerts about broken handoffs between them out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {name: _operation(*said) for name, said in OPERATIONS.items()},
        "components": {"messages": {name: _message(name) for name in SCHEMAS}},
    }


def topics() -> Json:
    """The topics for those who declare them by file."""
    return {
        "topics": [
            {
                "name": topic.name,
                "partitions": PARTITIONS if topic.partitioned else 1,
                "config": topic.config(),
            }
            for topic in TOPICS
        ]
    }


_PLAIN = re.compile(r"[A-Za-z_$/][\w$./-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"}


def _scalar(value: object) -> str:
    """JSON is YAML; quotes are left out only where a word can be nothing else."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _yaml(value: object, indent: str = "") -> str:
    """A value of dicts, lists and scalars as YAML, in block style."""
    if isinstance(value, dict) and value:
        return "".join(f"\n{indent}{_scalar(key)}:{_yaml(item, indent + '  ')}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"\n{indent}- {_yaml(item, indent + '  ').lstrip()}" for item in value)
    return f" {_scalar(value)}"


_HEADER = "# Generated by `python -m schemas.generate` from schemas/topics.py: edit that, not this."
_NOTE = """
# All topics that have as many partitions as handoff.events must go on having as many: change them together.
# This is for one replica and the default `[worker] app_id`, with which the names of the changelogs begin. With more
# replicas, as many as `[kafka] replication` says, each topic has also min.insync.replicas, of one less."""


def documents() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    files = {ROOT / "schemas" / "json" / f"{name}.json": _json(schema()) for name, schema in SCHEMAS.items()}
    files[ROOT / "schemas" / "asyncapi.yaml"] = f"{_HEADER}{_yaml(asyncapi())}\n"
    files[ROOT / "deploy" / "topics.yaml"] = f"{_HEADER}{_NOTE}{_yaml(topics())}\n"
    return files


def _json(schema: Json) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def stale() -> list[Path]:
    """The generated files that do not hold what they should."""
    return [path for path, text in documents().items() if not path.exists() or path.read_text() != text]


def write() -> None:
    """Writes every generated file."""
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def main(arguments: Sequence[str]) -> int:
    """Writes the files, or with `--check` only says which are stale."""
    if "--check" not in arguments:
        write()
        return 0
    old = [str(path.relative_to(ROOT)) for path in stale()]
    if old:
        print(f"stale: {', '.join(old)}; run python -m schemas.generate", file=sys.stderr)  # noqa: T201 - a command
    return bool(old)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
