"""The other editions of the book: the same pages, each message in its place translated before the page is parsed.

A message without translation, or whose translation is of an older text, is shown in English, and counted.
"""

import copy
import pickle
from pathlib import Path

import myst_nb.sphinx_
from catalogues import LANGUAGES, file_of, page_of, said, translations
from docutils import nodes
from lossnotes_chapters import minutes_node
from messages import is_text, translate, translate_cells, translate_docstring
from sphinx.util import logging

logger = logging.getLogger(__name__)
tokens_of = myst_nb.sphinx_.notebook_to_tokens


def setup(app):
    if app.config.language not in LANGUAGES:
        myst_nb.sphinx_.notebook_to_tokens = tokens_of
        return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
    app.connect("config-inited", translate_config, priority=100)
    app.connect("config-inited", translate_contents, priority=950)
    app.connect("source-read", translate_page)
    app.connect("autodoc-process-docstring", translate_api, priority=100)
    app.connect("doctree-read", take_over_names, priority=100)
    app.connect("doctree-read", take_over_minutes, priority=900)
    app.connect("build-finished", count)
    # The notebook stays as it is: under its English cells the cache knows its outputs. What is translated is what will be shown of it.
    myst_nb.sphinx_.notebook_to_tokens = lambda notebook, *args: tokens_of(translated(app.env, notebook), *args)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


class Looker:
    """Looks messages up for one page, and counts what it does not find."""

    def __init__(self, env, name):
        language = env.config.language
        self.found, self.about = translations(language, name), env.metadata[env.docname]
        env.note_dependency(str(file_of(language, name)))

    def __call__(self, message):
        if message not in self.found and is_text(message):
            self.about["untranslated"] = self.about.get("untranslated", 0) + 1
        return self.found.get(message)


def translate_page(app, docname, source):
    if not app.env.doc2path(docname).endswith(".ipynb"):
        source[0] = translate(source[0], Looker(app.env, page_of(docname)))


def translated(env, notebook):
    notebook = copy.deepcopy(notebook)
    translate_cells(notebook.cells, Looker(env, page_of(env.docname)))
    return notebook


def translate_api(app, what, name, thing, options, lines):
    translate_docstring(lines, Looker(app.env, "docstrings"))


def translate_config(app, config):
    def say(value):
        if isinstance(value, dict):
            return {key: say(inner) for key, inner in value.items()}
        return said(config.language, value) if isinstance(value, str) else value

    for key in ("html_title", "project", "author", "nb_code_prompt_show", "nb_code_prompt_hide", "html_theme_options"):
        config[key] = say(config[key])


def translate_contents(app, config):
    for item in config.external_site_map.values():
        for tree in item.subtrees:
            tree.caption = tree.caption and said(config.language, tree.caption)


# From the English edition, which is built first.


def take_over_names(app, doctree):
    """Sections and figures are found under the same addresses."""
    for kind in (nodes.section, nodes.figure):
        for here, there in pairs(app, doctree, kind):
            here["ids"] = there["ids"]


def take_over_minutes(app, doctree):
    """They are counted in English words."""
    for here, there in pairs(app, doctree, minutes_node):
        here["counts"] = there["counts"]


def pairs(app, doctree, kind):
    path = Path(app.srcdir, "_build", ".doctrees", f"{app.env.docname}.doctree")
    return zip(doctree.findall(kind), pickle.loads(path.read_bytes()).findall(kind))


def count(app, exception):
    missing = sum(about.get("untranslated", 0) for about in app.env.metadata.values())
    if missing:
        logger.info("%s: %d messages have no translation, or an old one, and are shown in English", app.config.language, missing)
