"""The page that shows an OpenAPI document of ours and tries its operations. All of it is readable without scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

Json = dict[str, Any]

LINE_CHARACTERS = 60

TOKEN_FIELD = """<p class="token"><label for="token">Token</label> \
<input id="token" type="password" autocomplete="off" spellcheck="false" placeholder="shown with each request"></p>
"""


def render_page(document: Json, path: str) -> str:
    """HTML. `path` is where the page stands: all its links are relative, so that a proxy may put it below a prefix."""
    folder, _, name = path.rpartition("/")
    to_root = "../" * folder.count("/") or "./"
    to_assets = f"{name}/" if name else ""
    groups = list(_groups(document))
    links = "".join(f'<li><a href="#{_anchor(tag["name"])}">{escape(tag["name"])}</a></li>' for tag, _ in groups)
    info = document["info"]
    return f"""<!doctype html>
<html lang="en" data-root="{to_root}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(info["title"])} API</title>
<link rel="icon" href="{to_assets}icon.svg">
<link rel="stylesheet" href="{to_assets}docs.css">
<script type="module" src="{to_assets}docs.mjs"></script>
</head>
<body>
<a class="skip" href="#operations">Skip to the operations</a>
<header>
<h1>{escape(info["title"])} <span class="version">{escape(info["version"])}</span></h1>
<p>{escape(info["summary"])} {escape(info["description"])}</p>
<nav aria-label="Parts of this page"><ul>{links}<li><a href="#schemas">schemas</a></li>\
<li><a href="{to_root}openapi.json">openapi.json</a></li></ul></nav>
{TOKEN_FIELD if document.get("security") else ""}</header>
<main id="operations">
{"".join(_group(tag, operations) for tag, operations in groups)}
{_schemas(document)}
</main>
</body>
</html>
"""


def _groups(document: Json) -> Iterator[tuple[Json, list[tuple[str, str, Json]]]]:
    """Each tag with its operations as (method, path, operation)."""
    for tag in document["tags"]:
        yield (
            tag,
            [
                (method, path, item[method])
                for path, item in document["paths"].items()
                for method in ("get", "post")
                if method in item and tag["name"] in item[method]["tags"]
            ],
        )


def _anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def _group(tag: Json, operations: list[tuple[str, str, Json]]) -> str:
    name = tag["name"]
    if name == "aliases":
        rows = "".join(f"<li>{_badge(method)} <code>{escape(path)}</code></li>" for method, path, _ in operations)
        content = f'<details class="aliases"><summary>{len(operations)} other paths</summary><ul>{rows}</ul></details>'
    else:
        content = "".join(
            _operation(method, path, operation, is_open=operation["operationId"].startswith("predict"))
            for method, path, operation in operations
        )
    return f"""<section aria-labelledby="{_anchor(name)}">
<h2 id="{_anchor(name)}">{escape(name)}</h2>
<p>{escape(tag["description"])}</p>
{content}
</section>
"""


def _badge(method: str) -> str:
    return f'<span class="method {method}">{method.upper()}</span>'


def _operation(method: str, path: str, operation: Json, is_open: bool) -> str:
    key = escape(operation["operationId"])
    shown = escape(path).replace("/", "/<wbr>")
    return f"""<details class="operation" id="{key}"{" open" if is_open else ""}>
<summary>{_badge(method)} <code>{shown}</code> <span>{escape(operation["summary"])}</span></summary>
<form data-method="{method.upper()}" data-path="{escape(path)}">
{_parameters(operation, key)}{_body(operation, key)}<div class="actions"><button type="submit">Send</button></div>
<div class="curl"><pre tabindex="0" aria-label="The same with curl"><code></code></pre>\
<button type="button" class="copy">Copy</button></div>
<div class="reply" hidden>
<p role="status"><strong class="code"></strong> <span class="time"></span> <span class="size"></span></p>
<details><summary>Headers</summary><pre class="headers" tabindex="0"></pre></details>
<pre class="content" tabindex="0" aria-label="The reply"></pre>
</div>
</form>
</details>
"""


def _parameters(operation: Json, key: str) -> str:
    fields = ""
    for parameter in operation.get("parameters", ()):
        if parameter.get("in") == "path":
            choices = "".join(f"<option>{escape(each)}</option>" for each in parameter["schema"]["enum"])
            name = escape(parameter["name"])
            fields += (
                f'<p><label for="{key}-{name}">{escape(parameter["description"])}</label> '
                f'<select id="{key}-{name}" name="{name}">{choices}</select></p>'
            )
    return fields


def _body(operation: Json, key: str) -> str:
    """The editor, and the examples to begin with."""
    if "requestBody" not in operation:
        return ""
    examples = operation["requestBody"]["content"]["application/json"]["examples"]
    texts = {name: _readable(example["value"]) for name, example in examples.items()}
    first = next(iter(texts.values()))
    options = "".join(f'<option value="{escape(text)}">{escape(name)}</option>' for name, text in texts.items())
    chosen = f'<select id="{key}-example" class="example">{options}</select>'
    chooser = f'<p><label for="{key}-example">Example</label> {chosen}</p>'
    lines = max(first.count("\n") + 1, 8)
    return f"""{chooser if len(texts) > 1 else ""}<p><label for="{key}-body">Body, application/json</label></p>
<textarea id="{key}-body" name="body" rows="{lines}" spellcheck="false" autocapitalize="off" autocomplete="off">
{escape(first)}</textarea>
<p class="wrong" role="alert" hidden></p>
"""


def _readable(value: Any, indent: str = "") -> str:
    """JSON with a field a line, and what is short on one line, but not the whole."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict) or (indent and len(indent) + len(short) <= LINE_CHARACTERS):
        return short
    inner = indent + "  "
    fields = (f"{inner}{json.dumps(name)}: {_readable(field, inner)}" for name, field in value.items())
    return "{\n" + ",\n".join(fields) + f"\n{indent}}}"


def _schemas(document: Json) -> str:
    shown = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    return f'<section aria-labelledby="schemas"><h2 id="schemas">Schemas</h2>{shown}</section>'


def _schema(name: str, schema: Json) -> str:
    text = json.dumps(schema, indent=2, ensure_ascii=False)
    return f"""<details class="schema">
<summary><code>{escape(name)}</code> {escape(schema.get("description", ""))}</summary>
<pre tabindex="0">{escape(text)}</pre>
</details>
"""
