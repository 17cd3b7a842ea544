"""What does not belong into a caption: answers of a captioning model, prompt syntax, placeholders, damage.

The openers and refusals are of the kinds in bghira/SimpleTuner config/caption_filter_list.txt.example; the quality tags
are those of Pony Diffusion V6, Illustrious, NoobAI and Animagine model cards.
"""

from __future__ import annotations

import re

REFUSAL = re.compile(
    r"\bI(?:'|’)?(?:m| am) (?:sorry|unable|not able)\b|\bI (?:can(?:no|'|’)t|do not|don(?:'|’)t|won(?:'|’)t) "
    r"(?:help|assist|provide|describe|identify|see|generate|create|comply|fulfil|process|recognize|view|have)\b"
    r"|\bas an? (?:AI|(?:large )?language model|assistant)\b"
    r"|\bunable to (?:process|view|see|describe|identify|assist)\b"
    r"|\bsorry, (?:but )?I\b|\bagainst my (?:guidelines|policy)\b|\bplease (?:provide|upload|share) (?:an|the|more)\b"
    r"|\b(?:does|do) not have a (?:clear )?caption\b|\bmakes it (?:challenging|difficult) to\b"
    r"|\ban? (?:possible|suitable) caption\b",
    re.I,
)
CHATTER = re.compile(
    r"^\W*(?:sure|certainly|of course|here(?:'|’)?s|here is|caption|description|prompt|answer|assistant|output)\b"
    r"[^.:\n]{0,60}:"
    r"|\blet me know if\b|\bwould you like (?:me|a)\b|\bI hope this\b|^\W*\*\*|</?(?:think|caption|s|p|br|div|span)>",
    re.I,
)
OPENER = re.compile(
    r"^(?:\W*\w+,\s+)?(?:(?:the|this|in (?:the|this)) (?:\w+ )?(?:image|photo(?:graph)?|picture|scene),?"
    r"(?: (?:shows|showcases|features|captures|depicts|displays|presents|portrays|is (?:a|an|of)|contains|consists"
    r"|we see|there (?:is|are)))?|(?:there (?:is|are) (?:a|an|the|two|some)))\b",
    re.I,
)
HEDGE = re.compile(
    r"\b(?:appears? to be|seems? to be|possibly|likely a|might be|could be a|suggests? that|suggesting|evoking|"
    r"adds? (?:a|an|to) (?:touch|sense|depth)|creating an? \w+ (?:atmosphere|mood|contrast|ambiance)|overall)\b",
    re.I,
)
WEIGHT = re.compile(r"\([^()]{1,80}:\s*\d*\.?\d+\s*\)|\(\([^()]+\)\)|\[\[[^\[\]]+\]\]")
LORA_TAG = re.compile(r"<(?:lora|lyco|hypernet|ti|embedding):[^>]*>", re.I)
WILDCARD = re.compile(
    r"\{[^{}|]{1,80}(?:\|[^{}|]{1,80})+\}|\[[^\[\]|]{1,40}\|[^\[\]|]{1,40}\]|__[a-z0-9/_-]{2,40}__", re.I
)
SWITCH = re.compile(r"(?<!\w)--(?:ar|v|s|q|n|w|h|no|stylize|niji|style|seed)(?:\s+\S+|$)|(?<!\w)(?:BREAK|AND)(?= )")
PLACEHOLDER = re.compile(
    r"\[(?:trigger|name|subject|class|token|instance|v)\]|\{(?:trigger|name|subject|class|caption|prompt|token)\}"
    r"|<(?:trigger|name|subject|token|class|keyword|your[ _]\w+)>|\b(?:TODO|FIXME|TBD)\b|\blorem ipsum\b"
    r"|\b(?:insert|your|add) (?:caption|description|trigger(?: word)?|prompt)(?: here)?\b"
    r"|^\W*(?:caption|none|null|nan|n/a|undefined|description|test|untitled)\W*$",
)
NAMED = re.compile(r"\[(?:trigger|name)\]")  # what ai-toolkit replaces by its trigger word
CAMERA_FILE = re.compile(
    r"^\W*(?:(?:IMG|DSC[NF]?|PXL|MVIMG|DJI|GOPR|P\d{3}|Screenshot|WhatsApp Image|image|photo|file|download|unnamed"
    r"|ComfyUI)[ _-]*\(?\d[\d _().-]*|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{20,}|[0-9a-f]{16,}"
    r"|\d+[\d ().-]*)(?:\.\w{3,4})?\W*$",
    re.I,
)
LINK = re.compile(r"https?://\S+|\bwww\.\S+|(?<!\w)@[a-z]\w{3,}|\b\S+\.(?:jpe?g|png|webp)\b", re.I)
SCORE_TAG = re.compile(r"\bscore_\d(?:_up)?\b", re.I)
QUALITY_TAG = re.compile(
    r"(?:^|,)\s*(?:masterpiece|(?:best|amazing|high|highest|good|normal|low|worst|great) quality|absurdres|highres"
    r"|lowres|very aesthetic|newest|8k|4k|uhd|ultra[- ]detailed"
    r"|extremely detailed(?: \w+){0,3}|trending on artstation|"
    r"award[- ]winning(?: \w+)?|source_\w+|rating_\w+)\s*(?=,|$|\.)",
    re.I,
)
DAMAGED = re.compile(r"â€[\x80-\x9f™œž¢“”\u02dc]|Ã[\x80-\xbf©¨¤¶¼±§]|Â[ \xa0°±]|\ufffd|ï»¿|\x00")
INVISIBLE = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad]")
ESCAPED = re.compile(r"\\[nt\"]|&(?:amp|quot|lt|gt|#39|nbsp);|\\u[0-9a-f]{4}", re.I)


def first(pattern: re.Pattern[str], text: str) -> str | None:
    """What a pattern finds first, on one line."""
    match = pattern.search(text)
    return " ".join(match.group().split()).strip(" ,") or None if match else None
