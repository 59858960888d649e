"""Finds prose in Markdown, YAML comments and texts of the program, and complains of wording that readers stumble over.

Words only. Which texts are read, and that they have no complaint, is in test_prose.py.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from typing import Final

LONGEST: Final = 30
"""Words in a sentence."""

ARCHAIC: Final = (
    *("whoever", "whomever", "whosoever", "lest", "amid", "amidst", "amongst", "whilst", "thereof", "therein"),
    *(
        "thereby",
        "thereupon",
        "whereof",
        "whereby",
        "wherein",
        "whereupon",
        "herein",
        "hereby",
        "hereof",
        "hitherto",
        "thence",
    ),
    *("whence", "henceforth", "forthwith", "albeit", "naught", "nought", "aught", "ere", "thrice", "upon", "befall"),
    *("betwixt", "nigh", "heretofore", "notwithstanding", "anew", "for ever", "in vain", "nobody's", "dear with"),
)
"""Words and phrases that a colleague would not say."""

RULES: Final = (
    *((re.compile(rf"\b{phrase}\b", re.IGNORECASE), f'"{phrase}" is not plain English') for phrase in ARCHAIC),
    # "There is no such mailbox" is plain; "this is not a mailbox" is not.
    (
        re.compile(r"(?<!there )\b(?:is|are|was|were) no (?!more\b|less\b|\w+er\b)\w+", re.IGNORECASE),
        'write "is not a ..."',
    ),
    (re.compile(r"(?:^|\. )Of (?:an?|the|each|all|one|th[eo]se|its|any|what)\b"), 'do not begin with "Of ..."'),
    (re.compile(r"\bhas no idea of\b|\bknows nothing of\b", re.IGNORECASE), 'write "does not understand"'),
    (re.compile(r"\bmay (?:be|have|do|come|go) not\b", re.IGNORECASE), "put the verb after not"),
    (re.compile(r"\b(?:passes|pass|passed) by \w+ that\b", re.IGNORECASE), 'write "ignores"'),
    (re.compile(r"\bput to rest\b|\bfor all to see\b|\bsafe from who\b", re.IGNORECASE), "say it literally"),
)

_FENCE: Final = re.compile(r"^( *)```.*?^\1```$|<!--.*?-->|<picture>.*?</picture>", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"``.+?``|`[^`]+`", re.DOTALL)
_LINK: Final = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_ADDRESS: Final = re.compile(r"<?https?://[^\s>]+>?")
_ITEM: Final = re.compile(r"^\s*(?:[-*]|\d+\.)\s+(?:\[[ x]\] )?")
_SECTION: Final = re.compile(r"^(?:Args|Attributes|Raises|Returns|Yields):$", re.MULTILINE)
_ENTRY: Final = re.compile(r"^ {4}\*{0,2}\w+(?:, \w+)*: ", re.MULTILINE)
_END: Final = re.compile(r"(?<=[.!?])[\")]*\s+(?=[\"(*]*[A-Z0-9`*_(])|(?<=[.!?])[\")*]+\s+|(?<=;)\s+")
_CHOICE: Final = re.compile(r"\{\{-? *(?:if|else|end|with|range)\b.*?\}\}")
_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{[^{}]*\}")
WORD: Final = re.compile(r"[^\W_][\w'.\-/]*")


def blocks_of_markdown(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs, list items, headings and cells of tables, each with the number of its first line."""
    text = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    text = _CODE.sub(lambda match: "CODE" + "\n" * match[0].count("\n"), text)
    text = _LINK.sub(lambda match: match[1], text)
    paragraph: list[str] = []
    begun = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        item = _ITEM.match(line)
        apart = not line.strip() or item or line.startswith(("|", "#"))
        if apart and paragraph:
            yield begun, " ".join(paragraph)
            paragraph = []
        if line.startswith("|"):
            yield from ((number, cell.strip()) for cell in line.strip("|").split("|"))
        elif line.startswith("#"):
            yield number, line.lstrip("# ")
        elif line.strip():
            begun = begun if paragraph else number
            paragraph.append(line[item.end() :] if item else line.strip())


def blocks_of_docstring(text: str) -> Iterator[tuple[int, str]]:
    """Paragraphs and list items, and each entry below ``Args:``, ``Attributes:`` and the like."""
    yield from blocks_of_markdown(_ENTRY.sub("- ", _SECTION.sub("", text)))


def blocks_of_yaml_comments(text: str) -> Iterator[tuple[int, str]]:
    """Comments of whole lines, joined where they follow each other, and each comment behind a value."""
    paragraph: list[str] = []
    begun = 0
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        whole = re.match(r"\s*# (.*)", line)
        if whole and not re.match(r"[-\w]+:( |$)|- ", whole[1]):
            begun = begun if paragraph else number
            paragraph.append(whole[1])
            continue
        if paragraph:
            yield begun, " ".join(paragraph)
            paragraph = []
        if behind := re.search(r"\s#\s+(.*)", line):
            yield number, behind[1]


def blocks_of_python_comments(text: str) -> Iterator[tuple[int, str]]:
    """Comments of whole lines, joined where they follow each other, and each comment behind code."""
    paragraph: list[str] = []
    begun = 0
    column = -1
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, at = token.start
        if not (token.line.strip().startswith("#") and at == column and line == begun + len(paragraph)):
            if paragraph:
                yield begun, " ".join(paragraph)
            paragraph, begun, column = [], line, at
        paragraph.append(token.string.lstrip("#! "))
    if paragraph:
        yield begun, " ".join(paragraph)


def sentences(block: str) -> list[str]:
    """What can be read alone: sentences, and the members of a list that semicolons divide."""
    plain = _ADDRESS.sub("ADDRESS", _TEMPLATE.sub("VALUE", _CHOICE.sub(" ", block)))
    return [one for one in _END.split(plain) if one.strip()]


def misused_words(block: str) -> Iterator[str]:
    """What is wrong with the words of a block, whatever its length."""
    plain = _TEMPLATE.sub("VALUE", block)
    for pattern, advice in RULES:
        for match in pattern.finditer(plain):
            yield f"{match[0].strip()!r}: {advice}"


def complaints(block: str) -> Iterator[str]:
    """What is wrong with a block of prose."""
    yield from misused_words(block)
    for sentence in sentences(block):
        count = len(WORD.findall(sentence))
        if count > LONGEST:
            yield f"{count} words in one sentence: {sentence!r}"
