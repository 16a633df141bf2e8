"""Where the translations are: gettext catalogues under book/locale, one for each chapter, and three for what is in no chapter."""

import functools

import yaml
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import denormalize, read_po
from messages import BOOK, is_text, messages, messages_of_docstrings

LOCALE = BOOK / "locale"
LANGUAGES = ["zh_CN"]


def file_of(language, name):
    return LOCALE / language / "LC_MESSAGES" / f"{name}.po"


def page_of(docname):
    """The catalogue of a page."""
    return docname.removeprefix("book/")


def read(language, name):
    path = file_of(language, name)
    if not path.is_file():
        return Catalog(locale=language)
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    for message in catalogue:  # Babel writes the older text of a changed message, in lines, and reads it as a comment
        older = " ".join(line.removeprefix("| ") for line in message.user_comments if line.startswith("|"))
        message.previous_id = [denormalize(older.removeprefix("msgid "))] if older else []
        message.user_comments = [line for line in message.user_comments if not line.startswith("|")]
    return catalogue


@functools.cache
def translations(language, name):
    """What is translated, by message. What is fuzzy has changed since, and is not."""
    return {message.id: message.string for message in read(language, name) if message.id and message.string and not message.fuzzy}


def said(language, message):
    """A word of our own extensions, or of _config.yml and _toc.yml, in the language of the edition."""
    return translations(language, "extensions").get(message, message)


def mark(message):
    """Marks a word that `said` will be asked for."""
    return message


# What has to be translated.

SAID_BY_CONFIG = [
    "title",
    "author",
    "nb_code_prompt_show",
    "nb_code_prompt_hide",
    "extra_footer",
    "search_bar_text",
    "text",
    "alt_text",
]


def words_of_config(settings):
    """What _config.yml says to a reader."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from words_of_config(value)
        elif key in SAID_BY_CONFIG:
            yield value


def words():
    """Of the extensions, the configuration and the contents."""
    for path in [*sorted((BOOK / "_ext").glob("*.py")), BOOK / "take_along.py"]:
        for _, message, _, _ in extract_from_file("python", path, keywords={"said": (2,), "say": (2,), "mark": None}):
            yield message, path.name
    config, contents = (yaml.safe_load((BOOK.parent / name).read_text("utf-8")) for name in ("_config.yml", "_toc.yml"))
    yield from ((word, "_config.yml") for word in words_of_config(config) if is_text(word))
    yield from ((part["caption"], "_toc.yml") for part in contents["parts"])


def sources():
    """Every catalogue that there has to be, with its messages as (text, kind), in the order of the book."""
    contents = yaml.safe_load((BOOK.parent / "_toc.yml").read_text("utf-8"))
    names = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    for name in names:
        path = next(p for p in (BOOK.parent / f"{name}{suffix}" for suffix in (".ipynb", ".md")) if p.is_file())
        yield page_of(name), messages(path)
    specs = sorted(path for path in (BOOK / "explorables").glob("*.json") if '"signals"' in path.read_text("utf-8"))
    yield "explorables", [(text, f"{path.stem}: {kind}") for path in specs for text, kind in messages(path)]
    yield "docstrings", list(messages_of_docstrings())
    yield "extensions", list(words())
