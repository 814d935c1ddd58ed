"""The cells of a run, put together from the events that its notebook wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LEXERS = {"python": "python", "sql": "sql", "md": "markdown", "scala": "scala", "sh": "bash"}


@dataclass
class ShownCell:
    """One cell as the page shows it.

    :param outputs: events of the kinds ``stream`` and ``output``, neighbouring streams joined.
    :param state: empty while the cell runs.
    """

    number: int
    title: str
    language: str
    source: str
    started: int
    state: str = ""
    ended: int = 0
    outputs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """How long it ran; none while it runs."""
        return (self.ended - self.started) / 1000 if self.ended else None

    @property
    def html(self) -> str:
        """The source: Markdown rendered, code coloured."""
        return rendered_markdown(self.source) if self.language == "md" else highlighted(self.source, self.language)


def shown_cells(events: Iterable[Mapping[str, Any]]) -> list[ShownCell]:
    """Fold the events of one task run into its cells."""
    cells: list[ShownCell] = []
    for event in events:
        if event["event"] == "cell":
            cells.append(
                ShownCell(event["cell"], event["title"], event["language"], event["source"], started=event["at"])
            )
        elif cells and event["event"] == "end":
            cells[-1].state, cells[-1].ended = event["state"], event["at"]
        elif cells:
            _add(cells[-1].outputs, event)
    return cells


def _add(outputs: list[dict[str, Any]], event: Mapping[str, Any]) -> None:
    previous = outputs[-1] if outputs else {}
    if event["event"] == "stream" and previous.get("event") == "stream" and previous["name"] == event["name"]:
        previous["text"] += event["text"]
    else:
        outputs.append(dict(event))


def rendered_markdown(source: str) -> str:
    """Markdown as HTML; HTML within it is shown, not obeyed."""
    from markdown_it import MarkdownIt

    body = "\n".join(line for line in source.split("\n") if not line.strip().startswith("%md"))
    inline = source.split("\n", 1)[0].strip().removeprefix("%md").removeprefix("-sandbox").strip()
    text = f"{inline}\n{body}" if source.strip().startswith("%md") else source
    html: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return html


def highlighted(source: str, language: str) -> str:
    """Code as HTML with classes for its colours."""
    from pygments import highlight  # type: ignore[import-untyped]
    from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

    lexer = get_lexer_by_name(LEXERS.get(language, "text"))
    html: str = highlight(source, lexer, HtmlFormatter(nowrap=True))
    return html


def colours() -> str:
    """The style sheet of coloured code, for a light and a dark page."""
    from pygments.formatters import HtmlFormatter

    light = HtmlFormatter(style="friendly").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}"
