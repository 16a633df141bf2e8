"""A Chromium for Playwright to drive: what prints the book, and what its tests look at it with."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from filelock import FileLock

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]


def find_browser():
    """A Chromium on the PATH, or the one that Playwright has fetched; None if there is neither."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        with sync_playwright() as playwright:
            fetched = playwright.chromium.executable_path
        found = fetched if Path(fetched).is_file() else None
    return found


def get_browser():
    """As find_browser, but fetch one first where there is none."""
    ways = [[[sys.executable, "-m", "playwright", "install", "chromium"]]]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
        ways.insert(0, [[*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", "chromium"]])
    # One at a time: each worker of xdist comes here.
    with FileLock(Path(tempfile.gettempdir()) / "lossnotes-browser.lock"):
        for way in ways:
            if not (found := find_browser()):
                with contextlib.suppress(subprocess.SubprocessError, OSError):
                    for command in way:
                        subprocess.run(command, check=True, timeout=600, stdout=subprocess.DEVNULL)
        return found or find_browser()


@contextlib.contextmanager
def launched():
    """A Chromium, or None where none can be had."""
    from playwright.sync_api import sync_playwright

    if not (path := get_browser()):
        yield None
        return
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()
