"""YAML as PyYAML reads it: its own composer gives values and places, so nothing is decoded twice."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate
from typing import Any

import yaml

from lora_doctor.source.document import Comment, Document, Duplicate, Entry, KeyPath, SourceError, Span

BOM = b"\xef\xbb\xbf"
MAX_VALUES = 20_000  # an alias bomb of nine lines expands to a billion; the largest real config has about 300
MAX_DEPTH = 100
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#[^\r\n]*", re.M)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, in C where it was built."""


def parse_yaml(name: str, text: bytes) -> Document:
    """Read one YAML document; scalars mean what `yaml.safe_load` makes of them (`1e-4` is a string there)."""
    document = Document(name, text, "yaml")
    start = len(BOM) if text.startswith(BOM) else 0
    plain = text[start:].decode("utf-8")
    loader = _Loader(plain)
    try:
        root = _compose(loader, plain)
        if root is not None:
            walk = _Walk(document, loader, _byte_offsets(plain, start))
            document.data = walk.value(root, (), None, True, ())
            walk.comments(plain)
    finally:
        loader.dispose()
    return document


def _refuse_depth(text: str) -> None:
    """libyaml's composer calls itself for every level and overflows the C stack: the events are counted beforehand.

    Only a text with so many openings that it could be too deep is looked at.
    """
    if sum(text.count(opening) for opening in ("[", "{", "- ", "? ", "-\t", "?\t")) < MAX_DEPTH * 10:
        return
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise SourceError("not readable YAML: nested too deeply")


def _compose(loader: Any, text: str) -> yaml.Node | None:
    try:
        _refuse_depth(text)
        node: yaml.Node | None = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        sentence = " ".join(part for part in (error.context, error.problem) if part)
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise SourceError(f"not valid YAML: {sentence}", *place) from None
    except yaml.YAMLError as error:
        raise SourceError(f"not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise SourceError("not readable YAML: nested too deeply") from None
    return node


def _byte_offsets(text: str, start: int) -> list[int] | range:
    """Byte offset of every character: PyYAML counts characters, fixes splice bytes."""
    if text.isascii():
        return range(start, start + len(text) + 1)
    return list(accumulate((len(char.encode()) for char in text), initial=start))


class _Walk:
    """Turns composed nodes into entries; holds the loader that decodes scalars and the offsets of the text."""

    def __init__(self, document: Document, loader: Any, offsets: list[int] | range) -> None:
        self.document = document
        self.loader = loader
        self.offsets = offsets
        self.scalars: list[Span] = []
        self.seen: set[int] = set()
        self.count = 0

    def value(self, node: yaml.Node, path: KeyPath, key: Span | None, literal: bool, open_: tuple[int, ...]) -> Any:
        """The Python value of a node; every value below it becomes an entry."""
        self.count += 1
        if self.count > MAX_VALUES:
            raise SourceError(f"not readable YAML: its aliases expand to more than {MAX_VALUES:,} values")
        if id(node) in open_:
            raise SourceError("not readable YAML: an alias contains itself", node.start_mark.line + 1)
        if len(open_) > MAX_DEPTH:
            raise SourceError("not readable YAML: nested too deeply", node.start_mark.line + 1)
        literal = literal and id(node) not in self.seen
        self.seen.add(id(node))
        span = self._span(node)
        self.document.entries[path] = Entry(None, span, key, literal)
        if isinstance(node, yaml.MappingNode):
            found: Any = self._mapping(node, path, literal, (*open_, id(node)))
        elif isinstance(node, yaml.SequenceNode):
            inner = (*open_, id(node))
            found = [self.value(item, (*path, i), None, literal, inner) for i, item in enumerate(node.value)]
        else:
            self.scalars.append(span)
            found = self._scalar(node)
        self.document.entries[path] = Entry(found, span, key, literal)
        return found

    def _mapping(self, node: yaml.MappingNode, path: KeyPath, literal: bool, open_: tuple[int, ...]) -> dict[Any, Any]:
        """Merge keys (`<<`) come first: a mapping's own keys win."""
        found: dict[Any, Any] = {}
        merges = [pair for pair in node.value if pair[0].tag == "tag:yaml.org,2002:merge"]
        for _, source in merges:
            for part in source.value if isinstance(source, yaml.SequenceNode) else [source]:
                if isinstance(part, yaml.MappingNode) and id(part) not in open_:
                    found.update(self._mapping(part, path, False, (*open_, id(part))))
        own: dict[Any, Span] = {}
        for key_node, value_node in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            self._pair(key_node, value_node, path, literal, open_, found, own)
        return found

    def _pair(
        self,
        key_node: yaml.Node,
        value_node: yaml.Node,
        path: KeyPath,
        literal: bool,
        open_: tuple[int, ...],
        found: dict[Any, Any],
        own: dict[Any, Span],
    ) -> None:
        span = self._span(key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            raise SourceError("not a config: a key is itself a list or a mapping", key_node.start_mark.line + 1)
        self.scalars.append(span)
        name = self._scalar(key_node)
        name = name if isinstance(name, (str, int)) and not isinstance(name, bool) else str(key_node.value)
        place = (*path, name)
        if name in own:
            self.document.duplicates.append(Duplicate(place, own[name], span))
        if place in self.document.entries:
            for known in [known for known in self.document.entries if known[: len(place)] == place]:
                del self.document.entries[known]
        own[name] = span
        found[name] = self.value(value_node, place, span, literal, open_)

    def _scalar(self, node: yaml.Node) -> Any:
        if node.tag == "tag:yaml.org,2002:str":
            return node.value
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError):  # a foreign tag, or a date such as 2024-02-31
            return node.value

    def _span(self, node: yaml.Node) -> Span:
        return Span(self.offsets[node.start_mark.index], self.offsets[node.end_mark.index])

    def comments(self, text: str) -> None:
        """PyYAML drops comments: a `#` after a blank is one unless it stands inside a scalar."""
        covered = sorted(self.scalars)
        for match in _COMMENT.finditer(text):
            span = Span(self.offsets[match.start()], self.offsets[match.end()])
            before = bisect_right(covered, span.start, key=lambda scalar: scalar.start)
            if not before or covered[before - 1].end <= span.start:
                self.document.comments.append(Comment(match.group(), span))
