"""Bring the catalogues of the translation up to date with the book, or check them.

    python book/translations.py            take up new messages, mark those that changed as fuzzy, and list both
    python book/translations.py --check    change nothing; say what is missing or does not fit, and fail if there is anything
    python book/translations.py --check information/entropy   the same for some catalogues

See CONTRIBUTING.md.
"""

import argparse
import io
import sys
from collections import Counter
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
from catalogues import LANGUAGES, file_of, read, sources  # noqa: E402
from fitting import faults  # noqa: E402


def update(language):
    missing = Counter()
    for name, found in sources():
        catalogue, template = read(language, name), Catalog(locale=language)
        for message in catalogue.obsolete.values():  # what was taken out may come back
            catalogue.add(message.id, message.string, message.flags)
        catalogue.obsolete.clear()
        before = {message.id: message for message in catalogue}
        for text, kind in found:
            template.add(text, auto_comments=[kind])
        catalogue.update(template, update_creation_date=False)
        for message in catalogue:
            if message.fuzzy and message.id in before:
                message.previous_id = before[message.id].previous_id
            if message.id and message.id not in before:
                print(f"{name}: {'changed' if message.fuzzy else 'new'}: {message.id[:100]}")
            missing[name] += bool(message.id) and (message.fuzzy or not message.string)
        write(catalogue, file_of(language, name))
    report(language, missing)


def write(catalogue, path):
    """One message a line, no line numbers: a change of the text shows as just that."""
    catalogue.fuzzy, catalogue.last_translator, catalogue.language_team = False, "", "zh_CN"
    catalogue.project, catalogue.version, catalogue.copyright_holder = "Loss Notes", "", "The Loss Notes authors"
    catalogue.header_comment = f"# Loss Notes, {catalogue.locale.english_name}: {path.stem}."
    for message in [*catalogue, *catalogue.obsolete.values()]:
        message.flags -= {"python-format", "python-brace-format"}  # it is neither: 80 % of something, {doc}`softmax`
    text = io.BytesIO()
    write_po(text, catalogue, width=0, no_location=True, include_previous=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != text.getvalue():
        path.write_bytes(text.getvalue())


def report(language, missing):
    for name, number in missing.items():
        if number:
            print(f"{language}: {name}: {number} without translation, or with an old one")
    print(f"{language}: {missing.total()} in all")


def check(language, names):
    wrong, missing = 0, Counter()
    for name, found in sources():
        if names and name not in names:
            continue
        catalogue = read(language, name)
        for text in dict.fromkeys(text for text, _ in found):
            message = catalogue.get(text)
            if not message or not message.string or message.fuzzy:
                missing[name] += 1
            else:
                for fault in faults(text, message.string, name):
                    wrong += 1
                    print(f"{name}: {fault}\n  {text}\n  {message.string}")
    report(language, missing)
    return wrong + missing.total()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", help="catalogues to check, such as information/entropy; all of them if none is named")
    options = parser.parse_args()
    if options.check:
        sys.exit(sum(check(language, options.names) for language in LANGUAGES) > 0)
    for language in LANGUAGES:
        update(language)
