"""The AsyncAPI document as one page of HTML that needs nothing from anywhere else.

FastStream's own page loads its scripts from a public server: behind a firewall it stays blank.
"""

import json
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """\
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
td, th { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884 }
pre { overflow-x: auto; padding: .75rem; background: #8882; font-size: .85rem }
h2 { margin-top: 2.5rem; border-bottom: 2px solid #8886 }
"""

_CODE = re.compile("`([^`]+)`")
_BOUNDS = ("const", "enum", "format", "minLength", "maxLength", "pattern")


def asyncapi_page(document: Mapping[str, Any]) -> str:
    """Render servers, and each channel with its operation, messages, headers, data and examples."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])}: events</h1>",
        *(f"<p>{_text(paragraph)}</p>" for paragraph in info["description"].split("\n\n")),
        (
            '<p>The same for programs: <a href="asyncapi.json">asyncapi.json</a>, '
            f"AsyncAPI {escape(document['asyncapi'])}.</p>"
        ),
        _list_of_channels(document),
        "<h2>Servers</h2>",
        _servers(document["servers"]),
    ]
    for name in document["channels"]:
        parts += _channel(document, name)
    head = f'<meta charset="utf-8"><title>{escape(info["title"])}: events</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _list_of_channels(document: Mapping[str, Any]) -> str:
    items = [
        f'<li><a href="#{escape(name)}"><code>{escape(channel["address"])}</code></a>: '
        f"{_text(channel['description'])}</li>"
        for name, channel in document["channels"].items()
    ]
    return f"<ul>{''.join(items)}</ul>"


def _servers(servers: Mapping[str, Mapping[str, Any]]) -> str:
    return _table(
        ("server", "host", "protocol", ""),
        (
            (_text(name), _code(server["host"]), _code(server["protocol"]), _text(server["description"]))
            for name, server in servers.items()
        ),
    )


def _channel(document: Mapping[str, Any], name: str) -> Iterable[str]:
    channel, operation = document["channels"][name], document["operations"][name]
    yield f'<h2 id="{escape(name)}"><code>{escape(channel["address"])}</code></h2>'
    yield f"<p>{_text(channel['description'])}</p>"
    does = {"receive": "The worker reads it", "send": "The worker writes it"}[operation["action"]]
    yield f"<p>{does}. <b>{_text(operation['summary'])}.</b> {_text(operation['description'])}</p>"
    configuration = channel["bindings"]["kafka"]["topicConfiguration"]
    yield _table(("setting", "value"), ((_code(key), _code(value)) for key, value in configuration.items()))
    for message in channel["messages"]:
        yield from _message(document["components"], message)


def _message(components: Mapping[str, Any], name: str) -> Iterable[str]:
    message = components["messages"][name]
    yield f'<h3 id="message-{escape(name)}">{_text(message["title"])}</h3>'
    yield f"<p>{_text(message['summary'])} {_text(message['description'])}</p>"
    yield f"<p>Content type {_code(message['contentType'])}. {_key(message)}</p>"
    yield "<h4>Headers</h4>"
    yield _fields(message["headers"])
    yield "<h4>Value</h4>"
    payload = message["payload"]
    reference = payload.get("$ref", "").rpartition("/")[2]
    schema = components["schemas"][reference] if reference else payload
    yield f"<p>{_text(schema['description'])}</p>"
    if "properties" in schema:
        yield _fields(schema)
    for example in message["examples"]:
        yield f"<h4>Example: {_text(example['name'].replace('_', ' '))}</h4>"
        shown = json.dumps({"headers": example["headers"], "value": example["payload"]}, indent=2, ensure_ascii=False)
        yield f"<pre>{escape(shown)}</pre>"


def _key(message: Mapping[str, Any]) -> str:
    return f"Key: {_text(message['bindings']['kafka']['key']['description'])}"


def _fields(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", [])
    return _table(
        ("name", "", "type", ""),
        (
            (_code(name), "required" if name in required else "", _kind(field), _text(field.get("description", "")))
            for name, field in schema["properties"].items()
        ),
    )


def _kind(field: Mapping[str, Any]) -> str:
    reference = field.get("$ref") or (field["allOf"][0]["$ref"] if "allOf" in field else "")
    kinds = field.get("type", reference.rpartition("/")[2])
    shown = " or ".join(kinds) if isinstance(kinds, list) else kinds
    bounds = [f"{bound} {_code(json.dumps(field[bound], ensure_ascii=False))}" for bound in _BOUNDS if bound in field]
    return ", ".join([escape(shown), *bounds] if shown else bounds)


def _table(names: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _text(text: str) -> str:
    """Plain text with `code` in backticks, as HTML."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _code(value: object) -> str:
    return f"<code>{escape(str(value))}</code>"
