"""What cmd and PowerShell have in common: text scanned byte by byte, words gathered into commands."""

from __future__ import annotations

from lora_doctor.source.document import Command, Comment, Document, Entry, SourceError, Span, Word
from lora_doctor.source.shell_words import MAX_TEXT, MAX_WORDS, Variable, merged


class Scanner:
    """A script as one character per byte, so that every index is a byte offset; holds what was gathered so far."""

    def __init__(self, document: Document, data: bytes) -> None:
        self.document = document
        self.source = data.decode("latin-1")
        self.at = 0
        self.words: list[Word] = []
        self.count = 0
        self.variables: dict[str, Variable] = {}  # texts as scanned, names in lower case
        self.blocks: list[dict[str, Variable]] = []

    @property
    def rest(self) -> str:
        """The next few characters, for a look ahead."""
        return self.source[self.at : self.at + 8]

    def line_end(self, at: int) -> int:
        """Offset of the line break after `at`, or the end."""
        end = self.source.find("\n", at)
        end = len(self.source) if end < 0 else end
        return end - 1 if self.source[end - 1 : end] == "\r" and end - 1 >= at else end

    def comment(self, end: int) -> None:
        """Keep a comment that ends at `end`, and pass it."""
        self.document.comments.append(Comment(utf8(self.source[self.at : end]), Span(self.at, end)))
        self.at = end

    def word(self, text: str, start: int, *, literal: bool = True, known: bool = True) -> None:
        """Add a word of the command that is being read."""
        self.count += 1
        if self.count > MAX_WORDS:
            raise SourceError(f"not a readable script: its variables expand to more than {MAX_WORDS:,} words")
        known = known and len(text) <= MAX_TEXT
        self.words.append(Word(utf8(text[:MAX_TEXT]), Span(start, self.at), literal and known, known))

    def close(self) -> None:
        """End the command that is being read."""
        if self.words:
            place = Span(min(word.span.start for word in self.words), max(word.span.end for word in self.words))
            self.document.commands.append(Command(tuple(self.words), place))
        self.words = []

    def open_block(self) -> None:
        """A block begins that may or may not run."""
        self.blocks.append(dict(self.variables))

    def close_block(self) -> None:
        """Its end: what it assigned is open from here on."""
        if self.blocks:
            self.variables = merged([self.blocks.pop(), self.variables])

    def assign(self, name: str, key: Span, words: tuple[Word, ...], place: Span, *, array: bool = False) -> None:
        """Keep a variable, and its entry in the document."""
        self.variables[name.lower()] = Variable(words, array, all(word.known for word in words))
        literal = len(words) == 1 and words[0].literal
        text = utf8(" ".join(word.text for word in words)[:MAX_TEXT])
        self.document.entries[("env", utf8(name))] = Entry(text, place, key, literal)


def utf8(text: str) -> str:
    """What the bytes behind a scanned text say."""
    return text.encode("latin-1").decode("utf-8", "replace")
