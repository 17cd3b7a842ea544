"""SARIF 2.1.0, as code scanning reads it: paths from the repository's root, rules with their help, fixes, fingerprints.

Source: oasis-tcs/sarif-spec sarif-2.1/schema/sarif-schema-2.1.0.json.
"""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote

from lora_doctor import __version__
from lora_doctor.baseline import fingerprint
from lora_doctor.explain import as_markdown, page
from lora_doctor.finding import Fix, Place
from lora_doctor.report import Report
from lora_doctor.report.mask import without_tokens
from lora_doctor.report.places import Region, region, repository, repository_path, shown_region
from lora_doctor.result import Found
from lora_doctor.rule import Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(report: Report) -> str:
    """One SARIF log with one run."""
    rules = list({each.rule.id: each.rule for each in report.found}.values())
    index = {rule.id: i for i, rule in enumerate(rules)}
    uris = dict.fromkeys(_uri(file.document.name) for file in report.files)
    driver = {"name": "lora-doctor", "semanticVersion": __version__, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not report.failed}],
        "artifacts": [{"location": {"uri": uri}} for uri in uris],
        "results": [_result(each, index[each.rule.id]) for each in report.found],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    found = page(rule)
    markdown = as_markdown(rule)
    tags = list(dict.fromkeys((rule.topic, *rule.trainers, *rule.families)))
    return {
        "id": rule.id,
        "name": "".join(word.capitalize() for word in rule.id.split("-")),
        "shortDescription": {"text": found.title},
        "fullDescription": {"text": found.why or found.title},
        "help": {"text": f"{found.why}\n\n{found.instead}", "markdown": markdown},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": tags[:10], "evidence": rule.evidence},
    }


def _result(each: Found, index: int) -> dict[str, Any]:
    finding = each.finding
    location = _location(finding.place)
    if finding.key:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.key}]
    result = {
        "ruleId": each.rule.id,
        "ruleIndex": index,
        "level": each.level,
        "message": {"text": without_tokens(finding.sentence)},
        "locations": [location],
        "partialFingerprints": {"loraDoctor/v1": fingerprint(each, repository(os.getcwd()))},
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": i, **_location(related.place), "message": {"text": without_tokens(related.message)}}
            for i, related in enumerate(finding.related, 1)
        ]
    if finding.fix:
        result["fixes"] = [_fix(finding.fix)]
    return result


def _location(place: Place) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.document.name)},
            "region": _region(shown_region(place)),
        }
    }


def _region(where: Region) -> dict[str, int]:
    names = ("startLine", "startColumn", "endLine", "endColumn")
    return dict(zip(names, where))


def _fix(fix: Fix) -> dict[str, Any]:
    replacements = [
        {"deletedRegion": _region(region(fix.document, edit.span)), "insertedContent": {"text": edit.text}}
        for edit in fix.edits
    ]
    change = {"artifactLocation": {"uri": _uri(fix.document.name)}, "replacements": replacements}
    return {"description": {"text": fix.description}, "artifactChanges": [change]}


def _uri(name: str) -> str:
    """A relative URI from the repository's root, an absolute one for what lies outside."""
    relative = repository_path(name)
    if relative is not None:
        return quote(os.fsencode(relative), safe="/")
    return "file://" + quote(os.fsencode(os.path.abspath(name).replace(os.sep, "/")), safe="/")
