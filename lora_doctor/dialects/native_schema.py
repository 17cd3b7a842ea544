"""The JSON Schema of lora-doctor's own config, for editors (`#:schema` in TOML, `$schema` elsewhere)."""

from __future__ import annotations

from typing import Any

from lora_doctor.dialects.native_fields import FIELDS, STAGE_FIELDS, Field

JSON_TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "list": "array",
    "table": "object",
}


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the whole file."""
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "lora-doctor training config",
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    for field in FIELDS:
        _place(root, field)
    root["properties"]["stage"] = _stages(root["properties"])
    return root


def _stages(run: dict[str, Any]) -> dict[str, Any]:
    """Of `[stage.NAME]` tables: the same keys, of which none need be there, and a stage's own."""
    everything, build, on = STAGE_FIELDS
    own = {"build": _schema(build), "on": _schema(on)}
    inner = {"type": "object", "properties": own | _optional(run), "additionalProperties": False}
    return {**_schema(everything), "additionalProperties": inner}


def _optional(properties: dict[str, Any]) -> dict[str, Any]:
    copied = {}
    for name, schema in properties.items():
        copied[name] = {key: value for key, value in schema.items() if key != "required"}
        if "properties" in schema:
            copied[name]["properties"] = _optional(schema["properties"])
    return copied


def _place(root: dict[str, Any], field: Field) -> None:
    """Put a field where its dotted key says, making the tables above it."""
    node = root
    *parents, last = field.key.split(".")
    for parent in parents:
        node = node["items"] if parent == "*" else node["properties"][parent]
        if node.get("type") == "array":
            node.setdefault("items", {"type": "object", "properties": {}, "additionalProperties": False})
        elif "properties" not in node:
            node |= {"properties": {}, "additionalProperties": False}
    if last == "**":
        node["additionalProperties"] = _schema(field)
        return
    node["properties"][last] = _schema(field)
    if field.required:
        node.setdefault("required", []).append(last)


def _schema(field: Field) -> dict[str, Any]:
    kinds = [] if field.type == "any" else [JSON_TYPES[kind] for kind in field.type.split("|")]
    kinds = ["number"] if {"integer", "number"} <= set(kinds) and len(kinds) == 2 else kinds
    schema: dict[str, Any] = {"description": field.doc}
    if kinds:
        schema["type"] = kinds[0] if len(kinds) == 1 else kinds
    if field.choices:
        schema["enum"] = list(field.choices)
    if field.default is not None:
        schema["default"] = field.default
    if field.minimum is not None:
        schema["minimum"] = field.minimum
    if field.maximum is not None:
        schema["maximum"] = field.maximum
    return schema
