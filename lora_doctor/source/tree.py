"""What every tree-sitter grammar here has in common: places of nodes, and comments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lora_doctor.source.document import Comment, Document, Span

if TYPE_CHECKING:
    from tree_sitter import Node


def span_of(node: Node) -> Span:
    """The bytes a node covers."""
    return Span(node.start_byte, node.end_byte)


def collect_comments(document: Document, root: Node) -> None:
    """Every comment below `root`, in the order of the text."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "comment":
            document.comments.append(Comment((node.text or b"").decode("utf-8", "replace"), span_of(node)))
        elif node.named_child_count:
            stack.extend(node.named_children)
    document.comments.sort(key=lambda comment: comment.span)
