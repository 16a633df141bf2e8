"""What a chapter is made of: its card, its blanks, what is folded, and how long it takes to read.

The blocks, in MyST:

    :::{card-of-chapter}            what the reader will be able to do, what it takes, and how long
    :::{your-turn}                  poses a blank; the code cell below it holds `answer = ...` and a `plots.report`
    :::{aside} Its title            folded: what is true but beside the main line
    :::{answer}                     the answer to the opening question, in a block that stands out

The role {minutes}`.` stands for the minutes that the main line takes, and a code cell with the tag `check` is folded.
"""

import re
from collections import Counter

from catalogues import mark, said
from docutils import nodes
from docutils.parsers.rst import directives
from lossnotes_pages import fold, fold_title
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_exercise.nodes import exercise_enumerable_node, exercise_node, solution_node

logger = logging.getLogger(__name__)


def setup(app):
    app.add_node(minutes_node, html=(open_minutes, close_minutes))
    for block in (CardOfChapter, YourTurn, Aside, Answer):
        app.add_directive(block.kind, block, override=True)  # sphinx-design has an "aside" of its own
    app.add_role("minutes", lambda *_: ([minutes_node()], []))
    app.add_post_transform(FoldChecks)
    app.connect("doctree-read", fill_in_minutes)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


# Blocks.


class Block(SphinxDirective):
    """A box of one kind. Its class is its kind, so that book.css can dress it."""

    kind: str
    title = ""  # what its first line says, with what the author wrote behind the name for {}
    folded = False
    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = {"name": directives.unchanged_required}

    def run(self):
        self.assert_has_content()
        self.env.note_dependency(__file__)
        # Folded by `FoldSolutions`, as proofs and solutions are.
        box = nodes.admonition("", classes=[self.kind, "dropdown"] if self.folded else [self.kind])
        self.set_source_info(box)
        self.add_name(box)
        title = said(self.config.language, self.title).format(*self.arguments or [""]).strip()
        if title:
            words, messages = self.state.inline_text(title, self.lineno)
            box += [nodes.title(title, "", *words), *messages]
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


class CardOfChapter(Block):
    kind = "card-of-chapter"
    optional_arguments = 0


class YourTurn(Block):
    kind, title = "your-turn", mark("Your turn")
    optional_arguments = 0


class Aside(Block):
    kind, title, folded = "aside", mark("Aside: {}"), True
    required_arguments, optional_arguments = 1, 0


class Answer(Block):
    kind, title = "answer", mark("The answer")
    optional_arguments = 0


class FoldChecks(SphinxPostTransform):
    """Cells that only confirm stand beside what they confirm, and out of the way."""

    default_priority = 900

    def run(self, **kwargs):
        for cell in list(self.document.findall(lambda n: "tag_check" in classes_of(n))):
            box = fold("", fold_title("", "", nodes.Text(said(self.config.language, "The check"))), classes=["fold", "check"])
            cell.parent.replace(cell, box)
            box += cell


# Reading time.

# Minutes for one of each. Adults read plain English at some 240 words a minute (Brysbaert 2019), and slower what they have to
# think about. A formula in a line counts as a word. A blank takes a try.
MINUTES_FOR = {"words": 1 / 200, "formulas": 1 / 4, "figures": 1 / 2, "cells": 1 / 2, "turns": 2}


def minutes(counts):
    """How long a main line takes, from how much of each kind it holds: whole minutes."""
    return round(sum(counts[kind] * each for kind, each in MINUTES_FOR.items()))


# Code and what it prints are counted as cells, and exercises take as long as they take.
NOT_READ = (
    *(nodes.literal_block, nodes.raw, nodes.Invisible, nodes.system_message, nodes.comment, nodes.target),
    *(exercise_node, exercise_enumerable_node, solution_node),
)


def main_line(document):
    """How many of each kind one reads who unfolds nothing and does no exercise."""
    counts = Counter(dict.fromkeys(MINUTES_FOR, 0))
    count(document, counts)
    return counts


def count(node, counts):
    classes = classes_of(node)
    if isinstance(node, nodes.Text):
        counts["words"] += len(re.findall(r"\S*\w\S*", node.astext()))
    elif isinstance(node, nodes.math):
        counts["words"] += 1
    elif isinstance(node, nodes.math_block):
        counts["formulas"] += 1
    elif not (isinstance(node, NOT_READ) or is_folded(node)):
        counts["cells"] += "cell" in classes and "tag_hide-input" not in classes
        counts["figures"] += isinstance(node, nodes.figure)
        counts["turns"] += "your-turn" in classes
        for child in node.children:
            count(child, counts)


def is_folded(node):
    """Whether a reader sees it only who unfolds it."""
    if node.get("design_component") == "dropdown" or {"tag_check", "tag_hide-cell"} & set(classes_of(node)):
        return True
    return isinstance(node, nodes.Admonition) and "dropdown" in classes_of(node)


def classes_of(node):
    return node["classes"] if isinstance(node, nodes.Element) else ()


class minutes_node(nodes.Inline, nodes.Element):
    """Where the minutes go."""


def open_minutes(self, node):
    # With what they were computed from, for the test and for the curious.
    self.body.append(self.starttag(node, "span", "", CLASS="minutes", **{f"data-{k}": node["counts"][k] for k in MINUTES_FOR}))
    self.body.append(str(minutes(node["counts"])))


def close_minutes(self, node):
    self.body.append("</span>")


def fill_in_minutes(app, doctree):
    for node in doctree.findall(minutes_node):
        node["counts"] = dict(main_line(doctree))
        said = ", ".join(f"{number} {kind}" for kind, number in node["counts"].items())
        logger.info("%s: %s: %d minutes", app.env.docname, said, minutes(node["counts"]))
