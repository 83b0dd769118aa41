"""The AsyncAPI 3 document: channels and operations from FastStream, completed with what it cannot know."""

import json
from collections.abc import Mapping
from typing import Any

from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from award_worker.asyncapi_messages import BINDING_VERSION, Document, messages, schemas
from messaging.topics import Topics, new_topics

DESCRIPTION = """\
Services ask for awards on `award_requests`, and hear of them on `badge_awarded`. Everything is a CloudEvent 1.0:
binary and structured mode are read, binary mode is written. The key is `<tenant_id>:<participant_id>` everywhere.

A valid request that Kafka acknowledged leads to exactly one award and one `badge_awarded`; a request that can never
succeed leads to one dead letter. Publishing a request again is always safe. Read with
`isolation.level=read_committed`.

Changes are additive: ignore fields and headers that you do not know. A breaking change is a new type.
Two more topics, `award_outcomes` and `badges_relay_marker`, are internal and not described.
"""

CHANNELS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "award_requests": (
        "Requests for awards, from gateways and upstream services. A value has at most 64 KiB.",
        ("award_requested", "award_requested_structured"),
    ),
    "badge_awarded": ("One event for each award, kept for ever.", ("badge_awarded",)),
    "award_requests_dlq": ("Requests that can never succeed, kept for ever.", ("dead_letter",)),
}
OPERATIONS: Mapping[str, tuple[str, str]] = {
    "award_requests": (
        "Decide requests",
        (
            "The worker awards each (participant, badge) once, for ever. What may succeed later is tried again, "
            "and never dead-lettered."
        ),
    ),
    "badge_awarded": ("Tell of awards", "In a transaction, exactly once for readers of committed records."),
    "award_requests_dlq": ("Give up requests", "In a transaction, exactly once for readers of committed records."),
}
SECURITY: Mapping[str, Document] = {
    "scram_sha_512": {"type": "scramSha512", "description": "SASL/SCRAM-SHA-512"},
    "scram_sha_256": {"type": "scramSha256", "description": "SASL/SCRAM-SHA-256"},
    "plain": {"type": "plain", "description": "SASL/PLAIN"},
}


def asyncapi_document(topics: Topics) -> Document:
    """Describe the topics that are for others than ourselves, under the names that they have here."""
    broker = KafkaBroker(apply_types=False)  # never started: FastStream reads the document off it
    broker.subscriber(topics.award_requests, group_id=topics.worker_group, title="award_requests")(_nothing)
    for channel, address in (
        ("badge_awarded", topics.badge_awarded),
        ("award_requests_dlq", topics.award_requests_dlq),
    ):
        broker.publisher(address, title=channel, schema=object)
    specification = AsyncAPI(
        broker,
        title="Badges",
        version="1",
        description=DESCRIPTION,
        license={"name": "Apache License 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        schema_version="3.0.0",
    ).to_specification()
    document: Document = json.loads(specification.to_json())
    return _completed(document, topics)


def document_text(document: Document) -> str:
    """The document as it is printed and served."""
    return f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"


def _completed(document: Document, topics: Topics) -> Document:
    """Fill in what is said above. FastStream lists channels in no order: here it is that of `CHANNELS`."""
    servers = _servers()
    configurations = _configurations(topics)
    channels: Document = {}
    operations: Document = {}
    for name, (description, message_names) in CHANNELS.items():
        channel, operation = document["channels"][name], document["operations"][name]
        kafka = channel["bindings"]["kafka"]
        kafka |= {"topicConfiguration": configurations[channel["address"]], "bindingVersion": BINDING_VERSION}
        channels[name] = channel | {
            "description": description,
            "servers": [_reference("servers", server) for server in servers],
            "messages": {message: _reference("components", "messages", message) for message in message_names},
        }
        operations[name] = operation | {
            "summary": OPERATIONS[name][0],
            "description": OPERATIONS[name][1],
            "messages": [_reference("channels", name, "messages", message) for message in message_names],
        }
    operations["award_requests"]["bindings"] = _group(topics)
    components = {"messages": messages(topics), "schemas": schemas(), "securitySchemes": SECURITY}
    head = {"asyncapi": document["asyncapi"], "info": document["info"]}
    kind = {"defaultContentType": document["defaultContentType"]}
    return head | kind | {"servers": servers, "channels": channels, "operations": operations, "components": components}


def _servers() -> Document:
    """Generic ones: where Kafka is and how it is secured is each installation's own."""
    return {
        "development": {
            "host": "127.0.0.1:9092",
            "protocol": "kafka",
            "description": "The embedded stack (`make up`), as printed by it.",
        },
        "production": {
            "host": "{bootstrap}",
            "protocol": "kafka-secure",
            "description": "TLS, with one of the mechanisms; ask whoever runs the installation.",
            "variables": {
                "bootstrap": {"description": "`BADGES_KAFKA_BOOTSTRAP`", "default": "kafka.example.com:9093"},
            },
            "security": [_reference("components", "securitySchemes", name) for name in SECURITY],
        },
    }


def _configurations(topics: Topics) -> Mapping[str, Document]:
    """The settings of each topic that matter to its producers and consumers, as topics are created with them."""
    return {
        topic.name: {
            name: int(value)
            for name, value in topic.topic_configs.items()
            if name in {"retention.ms", "retention.bytes", "max.message.bytes"}
        }
        for topic in new_topics(topics, partitions=1, replication_factor=1)
    }


def _group(topics: Topics) -> Document:
    group_id = {"type": "string", "enum": [topics.worker_group]}
    return {"kafka": {"groupId": group_id, "bindingVersion": BINDING_VERSION}}


def _reference(*path: str) -> Document:
    return {"$ref": "#/" + "/".join(path)}


async def _nothing(_records: Any) -> None:  # noqa: ANN401 - never called
    """Stand for the worker's intake, which knows records and not their schema."""
