"""The page: a field for names, options, what is known of the models, and what is measured.

It is Gradio's; the words and numbers in it are `view`'s, and every limit is `AppOptions`'.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from shape_audit.app.answer import Answer, Answers, answers
from shape_audit.app.measured_view import measured_html
from shape_audit.app.options import AppOptions
from shape_audit.app.question import (
    LONGEST_ADDRESS,
    LONGEST_TEXT,
    LONGEST_TOKEN,
    MOST_MODELS,
    Question,
    asked,
    asked_by_link,
    checked_token,
)
from shape_audit.app.reading_process import Limits
from shape_audit.app.view import answers_html, problem_html
from shape_audit.errors import ShapeAuditError
from shape_audit.shipped import DATA
from shape_audit.yardsticks import DEFAULT_YARDSTICK, shipped_yardsticks

STYLE = DATA / "app_page.css"
MEASURED_PATIENCE = 10
"""Times as long as reading may measuring take."""
EXAMPLES = {
    "A model of the Hub": "Qwen/Qwen2.5-0.5B",
    "Four of about one size": "Qwen/Qwen2.5-0.5B facebook/opt-350m EleutherAI/pythia-410m openai-community/gpt2-medium",
    "One that ships": "builtin:bytes-1m",
}
INTRODUCTION = """
# What does the shape of this model cost?

Depth over width, what it costs in loss beside models of its size, where the parameters sit, and what a check finds:
from `config.json`, tensor headers and the tokenizer's files. No weights are read, and no code of a repository is run.
"""
Signal = tuple[int, str]
ADDRESS_OF_VIEW = """(link) => {
  if (!link) return;
  const theme = new URLSearchParams(location.search).get("__theme");
  const query = link + (theme ? "&__theme=" + encodeURIComponent(theme) : "");
  history.replaceState(null, "", query);
  if (parent !== window) parent.postMessage({queryString: query.slice(1)}, "https://huggingface.co");
}"""
"""Puts the link into the address bar; inside a Space, into that of the Hub's page."""


def page(options: AppOptions, folder: Path) -> gr.Blocks:
    """The page with its limits; `serving` has the style and the theme.

    Args:
        folder: in which each question gets a folder of its own.
    """
    handlers = _Handlers(options, folder)
    with gr.Blocks(title="shape-audit", analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        gr.Markdown(INTRODUCTION)
        with gr.Row(equal_height=True, elem_id="ask"):
            names = gr.Textbox(
                label=f"Models (up to {MOST_MODELS})", placeholder="org/name, or the address of its page on the Hub",
                max_length=LONGEST_TEXT, lines=1, max_lines=4, scale=5, autofocus=True,
            )  # fmt: skip
            button = gr.Button("Show", variant="primary", scale=1, min_width=110)
        with gr.Accordion("Options", open=False):
            yardstick = gr.Dropdown(
                list(shipped_yardsticks()), value=DEFAULT_YARDSTICK, label="Yardstick", filterable=False,
                info="The sweep of shapes by which the cost is worked out and drawn.",
            )  # fmt: skip
            token = gr.Textbox(
                label="Your Hub token", type="password", max_length=LONGEST_TOKEN,
                info="For your private and gated models. It is sent to the Hub with this question, and kept nowhere.",
            )  # fmt: skip
            measures = gr.Checkbox(
                label=f"Measure models of up to {options.measure_up_to} parameters too", value=False,
                info="Reads the weights, and takes minutes; one after the other.", visible=options.largest_measured > 0,
            )  # fmt: skip
        with gr.Row(elem_id="examples"):
            shown_examples = [gr.Button(label, size="sm", min_width=120) for label in EXAMPLES]
        shown, measured = gr.HTML(elem_id="shown"), gr.HTML(elem_id="measured")
        link = gr.Textbox(visible="hidden", label="link", max_length=LONGEST_ADDRESS)
        opened, to_measure = gr.State(None), gr.State(None)

        closed: dict[str, Any] = {"api_visibility": "private"}
        at_once = closed | {"concurrency_limit": None}  # these read nothing
        reads = closed | {"concurrency_id": "read", "concurrency_limit": options.at_once}
        reads |= {"show_progress": "minimal", "show_progress_on": shown}
        fields, results = [names, yardstick, measures, token], [shown, measured, link, to_measure]
        measuring = to_measure.change(
            handlers.measure, [to_measure, token], measured, concurrency_id="measure", concurrency_limit=1,
            show_progress="minimal", **closed,
        )  # fmt: skip
        # what is asked while an answer is under way is asked next; by default Gradio would drop it without a word
        gr.on(
            [button.click, names.submit], handlers.look, fields, results, cancels=[measuring],
            trigger_mode="always_last", **reads,
        )  # fmt: skip
        opened.change(handlers.look, fields, results, cancels=[measuring], **reads)
        for example, text in zip(shown_examples, EXAMPLES.values(), strict=True):
            example.click(lambda text=text: (text, _signal(text)), None, [names, opened], **at_once)
        link.change(None, link, None, js=ADDRESS_OF_VIEW)
        blocks.load(
            handlers.open_link, link, [names, yardstick, measures, shown, opened],
            js="() => location.search", **at_once,
        )  # fmt: skip
    blocks.queue(max_size=options.waiting, api_open=False)
    return blocks


class _Handlers:
    """What happens when a visitor asks."""

    def __init__(self, options: AppOptions, folder: Path) -> None:
        self._largest = options.largest_measured
        memory = round(options.memory * 2**30)
        self._to_read = Limits(options.patience, memory, folder=folder)
        self._to_measure = Limits(MEASURED_PATIENCE * options.patience, memory, self._largest, folder)

    def look(self, names: str | None, yardstick: str, measures: bool, token: str | None) -> Iterator[tuple[Any, ...]]:
        """Answers, as they come: what is shown, what is measured, the link, and what is to be measured next."""
        try:
            question = asked(names or "", yardstick, bool(measures) and self._largest > 0)
            visitors_token = checked_token(token or "")
        except ShapeAuditError as error:
            yield problem_html(str(error)), "", gr.skip(), gr.skip()
            return
        found: Answers = ()
        yield _reading(question), "", question.link, gr.skip()
        before: Answers = ()
        for found in answers(question, visitors_token, self._to_read):
            yield answers_html(question, found) if found != before else gr.skip(), gr.skip(), gr.skip(), gr.skip()
            before = found
        readable = [one.name for one in found if one.record is not None]
        if question.measures and readable:
            yield gr.skip(), gr.skip(), gr.skip(), _signal(" ".join(readable))

    def measure(self, signal: Signal | None, token: str | None) -> Iterator[Any]:
        """How far measuring is, and what was measured."""
        if signal is None or not self._largest:
            return
        try:
            question, visitors_token = asked(signal[1]), checked_token(token or "")
        except ShapeAuditError as error:
            yield problem_html(str(error))
            return
        before: Answers = ()
        for found in answers(question, visitors_token, self._to_measure):
            yield measured_html(found) if found != before else gr.skip()
            before = found

    def open_link(self, query: str | None) -> tuple[Any, ...]:
        """The fields as a link has them, and the signal to answer; nothing where the address is the page's own."""
        try:
            question = asked_by_link(query or "")
        except ShapeAuditError as error:
            return gr.skip(), gr.skip(), gr.skip(), problem_html(str(error)), None
        if question is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip(), None
        names = " ".join(question.names)
        return names, question.yardstick, question.measures and self._largest > 0, gr.skip(), _signal(names)


def _signal(names: str) -> Signal:
    """A state that is new, so that what waits for its change is done, also where it was done for these names before."""
    return time.monotonic_ns(), names


def _reading(question: Question) -> str:
    """What is shown before anything is known."""
    return answers_html(question, tuple(map(Answer, question.names)))
