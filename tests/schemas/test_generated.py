"""The generated documents: fresh, well formed, and of the vocabulary that the structs have."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from schemas.events import CHANNELS, TYPES
from schemas.generate import OPERATIONS, ROOT, SCHEMAS, asyncapi, documents, main, stale, topics
from schemas.rejects import HEADERS
from schemas.topics import TOPICS

DOCUMENT = asyncapi()
Json = dict[str, Any]


def test_every_generated_file_is_as_generated() -> None:
    assert stale() == []
    assert main(["--check"]) == 0


def test_a_file_that_was_edited_by_hand_is_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr("schemas.generate.ROOT", tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    (tmp_path / "schemas/json/event.json").write_text("{}")
    assert stale() == [tmp_path / "schemas/json/event.json"]
    assert main(["--check"]) == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_schema(name: str) -> None:
    schema = json.loads((ROOT / f"schemas/json/{name}.json").read_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_event_schema_has_the_vocabulary() -> None:
    event = SCHEMAS["event"]()
    assert event["properties"]["type"]["enum"] == list(TYPES)
    assert event["properties"]["channel"]["enum"] == list(CHANNELS)
    assert [choice["if"]["properties"]["type"]["const"] for choice in event["allOf"]] == list(TYPES)


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def found(reference: str) -> Any:
    """What a reference leads to: a place in the AsyncAPI document, or a file beside it. Raises where there is none."""
    if not reference.startswith("#/"):
        return json.loads((ROOT / "schemas" / reference).read_text())
    place: Any = DOCUMENT
    for step in reference[2:].split("/"):
        place = place[step.replace("~1", "/").replace("~0", "~")]
    return place


def test_the_document_is_asyncapi_3_and_says_what_it_is_about() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    assert DOCUMENT.keys() <= {
        "asyncapi",
        "id",
        "info",
        "servers",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }


def test_every_reference_of_the_document_leads_somewhere() -> None:
    assert all(found(reference) for reference in references(DOCUMENT))


@pytest.mark.parametrize("topic", TOPICS, ids=[topic.name for topic in TOPICS])
def test_every_topic_is_a_channel_with_its_kafka_binding(topic: Any) -> None:
    channel = DOCUMENT["channels"][topic.name]
    binding = channel["bindings"]["kafka"]
    assert channel["address"] == binding["topic"] == topic.name
    assert binding["bindingVersion"] == "0.5.0"
    assert binding["topicConfiguration"]["cleanup.policy"] == topic.cleanup.split(",")
    assert set(binding["topicConfiguration"]["cleanup.policy"]) <= {"compact", "delete"}
    assert binding["topicConfiguration"].get("retention.ms") == topic.retention_ms


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_sends_or_receives_messages_of_its_channel(name: str) -> None:
    operation = DOCUMENT["operations"][name]
    assert operation["action"] in ("send", "receive")
    channel = operation["channel"]["$ref"]
    assert channel.startswith("#/channels/")
    assert operation["messages"]
    for message in operation["messages"]:
        assert message["$ref"].startswith(f"{channel}/messages/")
        assert found(message["$ref"])["$ref"].startswith("#/components/messages/")


def test_every_topic_that_carries_json_names_its_messages() -> None:
    named = {name: list(channel["messages"]) for name, channel in DOCUMENT["channels"].items() if channel["messages"]}
    assert named == {
        "handoff.events": ["event", "tick"],
        "handoff.links": ["event", "tick", "link", "kin"],
        "handoff.alerts": ["alert"],
        "handoff.rejects": ["reject"],
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_message_has_the_schema_of_its_name(name: str) -> None:
    message = DOCUMENT["components"]["messages"][name]
    part = message.get("payload") or message["headers"]
    assert part["schemaFormat"] == "application/schema+json;version=draft-2020-12"
    assert found(part["schema"]["$ref"]) == json.loads(json.dumps(SCHEMAS[name]()))


def test_a_reject_is_described_by_its_headers() -> None:
    assert SCHEMAS["reject"]()["required"] == list(HEADERS)
    assert "payload" not in DOCUMENT["components"]["messages"]["reject"]


def test_the_topics_for_deployment_are_the_topics() -> None:
    declared = {topic["name"]: topic for topic in topics()["topics"]}
    assert list(declared) == [topic.name for topic in TOPICS]
    assert declared["handoff.alerts"]["config"] == {"cleanup.policy": "compact,delete", "retention.ms": 2_592_000_000}
    assert declared["handoff-journeys-changelog"]["config"]["delete.retention.ms"] == 86_400_000


def read_yaml(text: str) -> Any:
    """The block style in which the documents are written: maps, lists, and scalars that are JSON or plain words."""
    flat: list[tuple[int, str, str]] = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            rest, indent = line.lstrip(" "), len(line) - len(line.lstrip(" "))
            while rest.startswith("- "):
                flat.append((indent, "-", ""))
                rest, indent = rest[2:], indent + 2
            match = re.fullmatch(r'("(?:[^"\\]|\\.)*"|[^:" ]+):(?: (.+))?', rest)
            flat.append((indent, match.group(1), match.group(2) or "") if match else (indent, "", rest))
    return nested(flat)


def nested(flat: list[tuple[int, str, str]]) -> Any:
    if flat[0][1] == "":
        return scalar(flat[0][2])
    starts = [i for i, (indent, _, _) in enumerate(flat) if indent == flat[0][0]]
    parts = [(flat[i], flat[i + 1 : end]) for i, end in zip(starts, [*starts[1:], len(flat)], strict=True)]
    if flat[0][1] == "-":
        return [nested(inner) for _, inner in parts]
    return {scalar(key): nested(inner) if inner else scalar(text) for (_, key, text), inner in parts}


def scalar(text: str) -> Any:
    plain = re.fullmatch(r"[A-Za-z_$/][\w$./-]*", text) and text not in ("true", "false", "null")
    return text if plain else json.loads(text)


@pytest.mark.parametrize(("file", "value"), [("schemas/asyncapi.yaml", DOCUMENT), ("deploy/topics.yaml", topics())])
def test_the_yaml_reads_as_what_was_written(file: str, value: Json) -> None:
    text = documents()[ROOT / file]
    assert text.startswith("# Generated by")
    assert read_yaml(text) == value


def test_who_declares_topics_by_file_is_told_what_the_file_cannot_know() -> None:
    """`handoff topics --declare` knows the settings, and the file only their defaults."""
    told = (ROOT / "deploy" / "topics.yaml").read_text()
    assert all(word in told.partition("topics:")[0] for word in ("app_id", "replication", "min.insync.replicas"))
