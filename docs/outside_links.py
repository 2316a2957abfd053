"""A hook of mkdocs: links to files that are not in the documentation become their text.

On a code host they lead to the source. The site has no source, and they would be broken.
"""

from __future__ import annotations

import os
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Return the page's Markdown, with the links that lead out of `docs` replaced."""
    folder = os.path.dirname(page.file.src_uri)

    def inside(match: re.Match[str]) -> str:
        target = match[2].partition("#")[0]
        leads_out = os.path.normpath(os.path.join(folder, target)).startswith("..")
        is_left_out = target.endswith((".parquet", ".py", "run.json", "plan.json"))
        is_folder = target and not os.path.splitext(target)[1] and "://" not in target
        return match[1] if leads_out or is_left_out or is_folder else match[0]

    return _LINK.sub(inside, markdown)
