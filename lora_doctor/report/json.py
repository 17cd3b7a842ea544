"""The report for programs: versioned, keys never renamed, lines and columns 1-based in characters."""

from __future__ import annotations

import json
from typing import Any

from lora_doctor.finding import Fix
from lora_doctor.report import Report
from lora_doctor.report.mask import without_tokens
from lora_doctor.report.places import region, shown_name, shown_region
from lora_doctor.result import Found

VERSION = 1


def render(report: Report) -> str:
    """One JSON object."""
    files = [
        {"file": shown_name(file.document.name), "trainer": file.trainer, "kind": file.kind} for file in report.files
    ]
    findings = [_finding(each) for each in report.found]
    whole = {"version": VERSION, "files": files, "findings": findings, "summary": report.counts()}
    return json.dumps(whole, indent=2) + "\n"


def _finding(each: Found) -> dict[str, Any]:
    finding = each.finding
    where = shown_region(finding.place)
    about = {"about": list(finding.about)} if finding.about else {}
    return about | {
        "rule": each.rule.id,
        "topic": each.rule.topic,
        "level": each.level,
        "evidence": each.rule.evidence,
        "message": without_tokens(finding.sentence),
        "file": shown_name(finding.place.document.name),
        "line": where.line,
        "column": where.column,
        "end_line": where.end_line,
        "end_column": where.end_column,
        "key": finding.key,
        "trainer": each.trainer,
        "fix": _fix(finding.fix) if finding.fix else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    edits = []
    for edit in fix.edits:
        where = region(fix.document, edit.span)
        edits.append(
            {
                "file": shown_name(fix.document.name),
                "start_line": where.line,
                "start_column": where.column,
                "end_line": where.end_line,
                "end_column": where.end_column,
                "text": edit.text,
            }
        )
    return {"safe": fix.safe, "description": fix.description, "edits": edits}
