"""What a translation has to keep of its message, and how Chinese is set beside formulas, code and Latin letters."""

import functools
import re
from collections import Counter

from messages import BOOK, PARSER

HAN = "\u3400-\u9fff"
WIDE = "，。：；？！（）、《》……——"
NUMBER = r"\d+(?:[.,]\d+)*"
# Numbers that are a word in English may be figures in Chinese.
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
VALUES = {word: str(value) for value, word in enumerate(WORDS)} | {
    "twice": "2",
    "hundred": "100",
    "thousand": "1000",
    "first": "1",
    "half": "2",
    "eights": "8",
    "second": "2",
    "third": "3",
}
# Chinese counts large numbers in others: 131 million are 1.31 亿.
LARGE = {"million": 10**6, "billion": 10**9, "万": 10**4, "百万": 10**6, "亿": 10**8, "十亿": 10**9}
# Terms that are also everyday words: where they are meant as terms, they are linked.
EVERYDAY = {"bit", "distribution", "independent", "temperature", "token", "nat", "ban", "calibration", "vocabulary", "likelihood"}
# In the place of what is not text: a formula or code, which stand like a Latin word, and what turns into words of either kind.
LATIN, EITHER = "\ue000", "\ue001"


def faults(message, translation, name=""):
    """What is wrong with a translation, in words; empty if nothing is."""
    if name == "explorables" and re.search(r"'.*'", message):
        return list(faults_of_expression(message, translation))
    parts = parts_of_docstring if name == "docstrings" else parts_of_myst
    (kept, text), (kept_here, text_here) = parts(message), parts(translation)
    found = [*differences(kept, kept_here), *faults_of_numbers(text, text_here), *faults_of_setting(text_here)]
    found += faults_of_terms(message, text, kept, translation, text_here)
    if len(re.findall(r"[A-Za-z]{2,}", text)) > 3 and not re.search(f"[{HAN}]", text_here) and not re.search(r", \d{4}", text):
        found.append("no word of Chinese")
    if re.search(
        rf"[{HAN}] *[\"']|[\"'] *[{HAN}]", re.sub(r"``[^`]*``|`[^`]*`|\$[^$]*\$", "", translation)
    ):  # the parser would turn them, this way or that
        found.append("quotation marks that are not “ ” or ‘ ’")
    if "\n" in translation:
        found.append("a line break: a message is one line")
    return found


def parts_of_myst(message):
    """What must be kept, counted, and the rest as text."""
    kept, text = Counter(), []

    def walk(tokens):
        for token in tokens:
            if token.type == "code_inline":
                kept["code", token.content] += 1
                text.append(LATIN)
            elif token.type == "math_inline":
                kept["formula", re.sub(r"\\text\{[^{}]*\}", r"\\text{}", token.content)] += 1  # words in it are translated
                text.append(LATIN)
            elif token.type == "myst_role":
                role = token.meta["name"]
                said, target = re.fullmatch(r"(.*?)\s*<([^<>]*)>|(.*)", token.content, re.DOTALL).group(1, 2)
                if role == "project":  # leads to one place, in whatever words
                    said, target = token.content, "its address"
                kept["role", f"{role} {target or token.content}"] += 1
                text.append(
                    said
                    or (
                        token.content
                        if role == "term"
                        else LATIN
                        if role.startswith("cite") or role in ("eq", "minutes", "points")
                        else EITHER
                    )
                )
            elif token.type == "link_open":
                kept["link", token.attrs["href"]] += 1
            elif token.type == "strong_open":
                kept["bold", "**"] += 1
            elif token.type in ("text", "softbreak", "hardbreak", "text_special", "html_inline", "substitution_inline"):
                text.append(" " if token.type.endswith("break") else token.content)
            walk(token.children or [])

    walk(PARSER.parseInline(message.replace(r"\*", LATIN), {}))  # a star that is meant as one
    return kept, "".join(text)


def parts_of_docstring(message):
    kept = Counter()

    def keep(found):
        kept["markup", found[0]] += 1
        return LATIN

    return kept, re.sub(r"(?::[\w:]+:)?`[^`]+`|``[^`]+``", keep, message.replace("``", "`"))


def differences(kept, here):
    for (kind, what), number in ((kept - here) | (here - kept)).items():
        yield f"{'missing' if kept[kind, what] > here[kind, what] else 'added'}{f', {number} times' if number > 1 else ''}: {kind} {what}"


def numbers_in(text):
    """Each as it is written, or, if it is so many millions, in full."""

    def whole(found):
        return f"{round(float(found[1].replace(',', '')) * LARGE[found[2]])} "

    return set(re.findall(NUMBER, re.sub(rf"({NUMBER})\s*({'|'.join(sorted(LARGE, key=len, reverse=True))})", whole, text)))


def faults_of_numbers(text, here):
    numbers, there = numbers_in(text), numbers_in(here)  # one may be said again
    words = {VALUES[word] for word in re.findall(r"[a-z]+", text.lower()) if word in VALUES}
    if lost := numbers - there:
        yield f"missing: the number {', '.join(sorted(lost))}"
    if added := [number for number in sorted(there - numbers) if number not in words]:
        yield f"added: the number {', '.join(added)}"


RULES = [
    (
        rf"[{HAN}][A-Za-z0-9{LATIN}]|[A-Za-z0-9%{LATIN}][{HAN}]",
        "no space between Chinese and Latin letters, figures, code or a formula",
    ),
    (rf"[{HAN}] +[{HAN}]", "a space inside Chinese"),
    (rf"(?<=[^ ]) +[{WIDE}]|[{WIDE}] +", "a space beside full-width punctuation"),
    (
        rf"[{HAN}{LATIN}] *[,;:?!](?!\w)|[{HAN}]\.(?!\w)|(?:[,;:?!]|(?<!\d)\.) *[{HAN}]",
        "punctuation that is not full-width: ，。：；？！",
    ),
    (rf"[{HAN}] *\(|\) *[{HAN}]|\([{HAN}]|[{HAN}]\)", "brackets that are not full-width: （）"),
    (r"[*`$]|\{[a-z:]+\}", "markup that is not taken as markup: put a space on the outer side, or move punctuation out of it"),
]


def faults_of_setting(text):
    if re.search(f"[{HAN}]", text):
        text = re.sub(r"\([A-Za-z\d]+(?:,|(?:, [A-Za-z\d]+)+)\)", LATIN, text)  # a shape
        for pattern, fault in RULES:
            if found := re.search(pattern, text):
                around = text[max(0, found.start() - 8) : found.end() + 8].replace(LATIN, "▢").replace(EITHER, "▢")
                yield f"{fault}, at “{around}”"


@functools.cache
def glossary():
    """The names of each entry, by each of its English names in small letters."""
    block = re.search(r"```\{glossary\}\n(.*?)\n```", (BOOK / "reference" / "glossary.md").read_text("utf-8"), re.DOTALL)[1]
    entries = [entry.split("\n") for entry in re.sub(r"(?m)^ .*\n?", "", block).strip().split("\n\n")]
    return {name.lower(): [n for n in entry if n] for entry in entries for name in entry if re.match("[A-Za-z]", name)}


def faults_of_terms(message, text, kept, translation, here):
    terms = glossary()
    for role in re.finditer(r"\{term\}`(?:([^`<]*?)\s*<([^`>]*)>|([^`]*))`", translation):
        said, target = (role[1], role[2]) if role[2] else (role[3], role[3])
        if target.lower() in terms and said not in terms[target.lower()]:
            yield f"{target} is {' or '.join(terms[target.lower()][1:])} in the glossary"
    left = text.lower()
    for name in sorted(terms, key=len, reverse=True):
        left, number = re.subn(rf"(?<![\w-]){re.escape(name)}s?(?![\w-])", "", left)
        if number and name not in EVERYDAY and not any(said.lower() in here.lower() for said in terms[name]):
            yield f"{name} is {' or '.join(n for n in terms[name] if n != name)} in the glossary"


def faults_of_expression(message, translation):
    """The parts of an expression that are no text are the same; their order need not be."""

    def calls(expression):
        return Counter(re.findall(r"format\([^']*'[^']*'\)|\w+\((?=[^'])|datum\.\w+", expression))

    if calls(message) != calls(translation):
        yield "not the same calls and numbers in the expression"
    for literal in re.findall(r"'((?:[^'\\]|\\.)*)'", translation):
        for line in literal.split("\\n"):
            yield from faults_of_setting(line.strip())
