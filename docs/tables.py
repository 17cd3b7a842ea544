"""Writes the tables that are made from the rules: `python docs/tables.py` (a test compares them).

`docs/rules.md` has every rule, `docs/trainers.md` every trainer; the README has one line per topic.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from lora_doctor.rule import LEVELS, Rule, all_rules
from lora_doctor.trainers import markdown

ROOT = Path(__file__).parent.parent
TOPICS = {
    "config": "every trainer: keys, values, rates, schedules, checkpoints, secrets",
    "captions": "caption files and their texts, triggers, sample prompts",
    "dataset": "folders and every image in them, batches, exposures",
    "klein": "FLUX.2 Klein",
    "sana": "SANA",
    "sdxl": "SDXL",
    "flux1": "FLUX.1",
    "ai_toolkit": "ai-toolkit's loader",
    "diffusers": "the diffusers example scripts",
    "diffusion_pipe": "diffusion-pipe's loader",
    "kohya": "sd-scripts' loader",
    "kohya_gui": "what the kohya_ss GUI hands on",
    "musubi": "musubi-tuner's loader",
    "onetrainer": "OneTrainer's loader",
    "simpletuner": "SimpleTuner's loader",
    "lora_doctor": "lora-doctor's own training",
    "environment": "this machine (`--environment`)",
    "adapter": "LoRA files (`lora-doctor inspect`)",
    "symptoms": "runs (`lora-doctor diagnose`)",
}


def topics() -> list[str]:
    """Topics in the order of the table; new ones come last."""
    found = dict.fromkeys(rule.topic for rule in all_rules())
    return [name for name in TOPICS if name in found] + sorted(name for name in found if name not in TOPICS)


def summary() -> str:
    """One line per topic: what it is about, how many rules of which level."""
    rows = ["| topic | speaks of | errors | warnings | notes |", "|---|---|--:|--:|--:|"]
    total: Counter[str] = Counter()
    for topic in topics():
        counts = Counter(rule.level for rule in all_rules() if rule.topic == topic)
        total += counts
        cells = " | ".join(str(counts[level]) for level in LEVELS)
        rows.append(f"| [`{topic}`](docs/rules.md#{topic}) | {TOPICS.get(topic, topic)} | {cells} |")
    cells = " | ".join(f"**{total[level]}**" for level in LEVELS)
    return "\n".join([*rows, f"| **{total.total()} rules** | | {cells} |"])


def every_rule() -> str:
    """The page with all rules."""
    parts = ["# Rules\n\nMade by `python docs/tables.py`; `lora-doctor explain RULE` tells the rest."]
    for topic in topics():
        rules = [rule for rule in all_rules() if rule.topic == topic]
        table = ["| rule | level | evidence | finds |", "|---|---|---|---|", *map(_row, rules)]
        parts.append(f"## {topic}\n\n{TOPICS.get(topic, topic)}\n\n" + "\n".join(table))
    return "\n\n".join(parts) + "\n"


def _row(rule: Rule) -> str:
    title = rule.title.replace("|", "\\|")
    source = f"../rules/{rule.topic}/{rule.id.replace('-', '_')}.py"
    return f"| [`{rule.id}`]({source}) | {rule.level} | {rule.evidence} | {title} |"


def every_trainer() -> str:
    """The page that compares the trainers."""
    return f"# Trainers\n\nMade by `python docs/tables.py`; `lora-doctor trainers` prints the same.\n\n{markdown()}"


def with_summary(readme: str) -> str:
    """The README with its table renewed."""
    block = f"<!-- rules -->\n{summary()}\n<!-- /rules -->"
    return re.sub(r"<!-- rules -->.*<!-- /rules -->", lambda _: block, readme, flags=re.S)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_summary(readme.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs" / "rules.md").write_text(every_rule(), encoding="utf-8")
    (ROOT / "docs" / "trainers.md").write_text(every_trainer(), encoding="utf-8")
