"""Links in the documentation lead to files and headings that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGES = [
    *(PROJECT / name for name in ("README.md", "CONTRIBUTING.md")),
    *sorted((PROJECT / "docs").rglob("*.md")),
]
_CODE = re.compile(r"^(```|~~~).*?^\1|``.*?``|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)(?:\s[^)]*)?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def links(text: str) -> list[str]:
    """Return the targets of the links and pictures of a page that lead to no other host."""
    return [target for target in _LINK.findall(_CODE.sub("", text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    found: set[str] = set()
    for heading in _HEADING.findall(
        re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    ):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    missing = []
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        has_headings = target.suffix == ".md" and target.exists()
        headings = anchors(target.read_text("utf-8")) if anchor and has_headings else {anchor}
        if not target.exists() or anchor not in headings:
            missing.append(link)
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `word`, two\n"
        "[a](#one-word-two) [b](#three) [c](page.md#one) [d](no.md) ![e](no.png)\n"
        "`[f](code.md)` [g](https://example.org/x)\n"
    )
    assert broken(page) == ["#three", "page.md#one", "no.md", "no.png"]


def test_every_page_is_in_the_navigation() -> None:
    """Tables that a run writes as Markdown are no pages."""
    navigation = (PROJECT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    docs = PROJECT / "docs"
    pages = [p.relative_to(docs) for p in PAGES if p.is_relative_to(docs)]
    pages = [p for p in pages if p.parts[0] != "results" or p.name == "README.md"]
    assert [
        str(p) for p in pages if not re.search(rf"[ ]{re.escape(str(p))}$", navigation, re.M)
    ] == []
