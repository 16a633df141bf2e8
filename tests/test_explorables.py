"""The explorables, in a browser: wherever the reader moves them, they show what lossnotes computes."""

import hashlib
import itertools
import json
import re
import sys
from pathlib import Path

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from sklearn import datasets

import lossnotes as ln

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "book" / "explorables")]
import explorables  # noqa: E402
import focal_margins  # noqa: E402

CHAPTERS = {
    "entropy": "information/entropy",
    "kl-divergence": "information/kl-divergence",
    "softmax": "losses/softmax",
    "focal-loss": "losses/focal-loss",
    "three-losses": "practice/choosing-a-loss",
    "convexity": "practice/convexity",
}
PHONE = {"width": 360, "height": 740}


class Explorable:
    """One of them, brought to life on its page."""

    def __init__(self, page, address):
        self.page, self.asked, self.errors = page, [], []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(address)
        # Two frames and a little: by then a script that looks at the scroll position has looked.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))")
        self.before = list(self.asked)
        self.figure = page.locator("figure.explorable")
        self.said_before = self.figure.locator("output").inner_text()
        self.figure.scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('figure.explorable').view")

    def show(self, settings, *asked):
        """For each setting of the signals, the values of the expressions asked for, in which `view` is the Vega view."""
        return self.page.evaluate(
            """async ([settings, asked]) => {
                const { view } = document.querySelector("figure.explorable");
                const read = new Function("view", `return [${asked}]`), rows = [];
                for (const setting of settings) {
                    for (const [name, value] of Object.entries(setting)) view.signal(name, value);
                    await view.runAsync();
                    rows.push(read(view));
                }
                return rows;
            }""",
            [settings, asked],
        )

    def now(self, name):
        return self.page.evaluate("name => document.querySelector('figure.explorable').view.signal(name)", name)

    def said(self):
        return self.figure.locator("output").inner_text()


def signal(name):
    return f'view.signal("{name}")'


def column(data, field):
    return f'view.data("{data}").map(row => row["{field}"])'


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def same(shown, right, **how):
    torch.testing.assert_close(double(shown), right.double(), **({"rtol": 1e-9, "atol": 1e-12} | how))


def slope(loss, z):
    return torch.func.vmap(torch.func.grad(loss))(z)


@pytest.fixture
def bring(browser, site):
    """Opens the page of an explorable."""
    contexts = []

    def bring(name, place=site, **how):
        contexts.append(browser.new_context(**how))
        contexts[-1].add_init_script("localStorage.setItem('mode', 'light')")
        return Explorable(contexts[-1].new_page(), f"{place}/book/{CHAPTERS[name]}.html")

    yield bring
    for context in contexts:
        context.close()


# What they compute


def test_entropy(bring):
    settings = [dict(zip("ABCD", n)) for n in itertools.product((0, 3, 16), repeat=4)]
    shown = bring("entropy").show(settings, signal("H"), column("cases", "p"), column("cases", "surprisal"))
    for setting, (H, p, surprisal) in zip(settings, shown):
        if not any(setting.values()):
            assert H == 0
            continue
        counts = double(list(setting.values()))
        right = counts / counts.sum()
        same(p, right)
        same(H, ln.entropy(right, base=2))
        same(surprisal, ln.information_content(right, base=2))


def test_kl_divergence(bring):
    petals = torch.from_numpy(datasets.load_iris().data[:, 2])
    same(json.loads((ROOT / "book/explorables/petals.json").read_text()), petals.sort().values)
    grid = torch.linspace(-4, 12, 401, dtype=torch.float64)

    def bell(mean, width):  # as in the chapter
        return ln.softmax(-((grid - mean) ** 2) / (2 * width**2), dim=-1)

    def truth(name, apart):
        if name == "two Gaussians":
            return (bell(4 - apart / 2, 0.5) + bell(4 + apart / 2, 0.5)) / 2
        moved = torch.where(petals < 2.7, petals + 3.44 - apart, petals)  # at 3.44 the petals as they are
        return bell(moved[:, None], 0.25).mean(0)

    truths = [("petals", 3.44), ("petals", 0), ("petals", 2.5), ("petals", 6), *(("two Gaussians", d) for d in (0, 2, 3, 6))]
    bells = list(itertools.product((0, 1.46, 3.76, 8), (0.35, 0.87, 1.78, 3)))
    settings = [{"truth": t, "distance": d, "mean": m, "spread": s} for (t, d), (m, s) in itertools.product(truths, bells)]
    asked = signal("forward"), signal("reverse"), column("grid", "p"), column("grid", "q")
    for setting, (forward, reverse, drawn_p, drawn_q) in zip(settings, bring("kl-divergence").show(settings, *asked)):
        p, q = truth(setting["truth"], setting["distance"]), bell(setting["mean"], setting["spread"])
        same(drawn_p, p)
        same(drawn_q, q)
        same(forward, ln.kl_divergence(p, q))
        same(reverse, ln.kl_divergence(q, p))


def test_kl_divergence_covers_near_humps_and_settles_on_far_ones(bring):
    # The chapter's table, at the bells that gradient descent finds there: half-way, and on the left hump.
    cases = [
        (2.5, (4, 1.2), (2.81, 0.57)),
        (2.75, (4, 1.28), (2.64, 0.53)),
        (3, (4, 1.37), (2.51, 0.51)),
        (3.5, (4, 1.55), (2.25, 0.5)),
    ]
    settings = [{"truth": "two Gaussians", "distance": d, "mean": m, "spread": s} for d, *both in cases for m, s in both]
    prices = [price for (price,) in bring("kl-divergence").show(settings, signal("reverse"))]
    for (apart, *_), cover, settle in zip(cases, prices[::2], prices[1::2]):
        assert (cover < settle) == (apart < 2.9)


def test_kl_divergence_of_a_bell_that_underflows(bring):
    petals = torch.from_numpy(datasets.load_iris().data[:, 2])
    grid = torch.linspace(-4, 12, 401, dtype=torch.float64)
    p = ln.softmax(-((grid - petals[:, None]) ** 2) / (2 * 0.25**2), dim=-1).mean(0)
    log_q = ln.log_softmax(-((grid - 8) ** 2) / (2 * 0.2**2), dim=-1)
    assert (log_q.exp() == 0).any()
    (((forward, reverse),)) = bring("kl-divergence").show([{"mean": 8, "spread": 0.2}], signal("forward"), signal("reverse"))
    same(forward, (p * (p.log() - log_q)).sum())
    same(reverse, (log_q.exp() * (log_q - p.log())).sum())


def test_softmax(bring):
    scores = [(2, 1, 0), (-4, 4, 0.3), (1000, 999, -1000), (0, 0, 0)]
    settings = [{"z1": a, "z2": b, "z3": c, "T": T} for (a, b, c), T in itertools.product(scores, (0.1, 1, 2.5, 10))]
    shown = bring("softmax").show(settings, column("classes", "p"), signal("H"))
    for setting, (p, H) in zip(settings, shown):
        *z, T = setting.values()
        right = ln.softmax(double(z), dim=0, temperature=T)
        same(p, right)
        same(H, ln.entropy(right))


def test_three_losses(bring):
    yes = torch.tensor(1.0, dtype=torch.float64)
    losses = (
        lambda z: ln.binary_cross_entropy_with_logits(z, yes),
        lambda z: ln.hinge_loss(z, yes),
        lambda z: ln.mse_loss(z, yes),
        lambda z: ln.mse_loss(torch.sigmoid(z), yes),
    )
    z = double([k / 10 for k in range(-60, 61) if k != 10])  # at 1 the hinge loss has no slope
    shown = bring("three-losses").show([{"z": v} for v in z.tolist()], column("here", "loss"), column("here", "slope"))
    for i, loss in enumerate(losses):
        same([values[i] for values, _ in shown], torch.func.vmap(loss)(z))
        same([slopes[i] for _, slopes in shown], slope(loss, z))


def test_focal_loss(bring):
    detectors = ("at the start", *focal_margins.LOSSES)
    settings = [
        {"when": when, "alpha": alpha, "gamma": gamma, "bias": bias}
        for when, alpha, gamma, bias in itertools.product(detectors, (0.01, 0.25, 0.5, 0.99), (0, 0.5, 2, 5), (0, -1.5, 2))
    ]
    asked = [column("windows", name) for name in ("what", "m", "n", "share")] + [signal("digits"), signal("right")]
    measured = focal_margins.margins()
    for setting, (what, s, n, share, digits, right) in zip(settings, bring("focal-loss").show(settings, *asked)):
        when, alpha, gamma, bias = setting.values()

        def pull(s, is_digit):
            def loss(s):
                y = is_digit.to(s)
                return ln.sigmoid_focal_loss(s * (2 * y - 1), y, alpha=alpha, gamma=gamma, reduction="sum")

            return torch.func.grad(loss)(s).abs()

        s, is_digit = double(s), torch.tensor([w == "digit" for w in what])
        pulls = double(n) * pull(s, is_digit)
        same(share, pulls / pulls.sum())
        same(digits, pulls[is_digit].sum() / pulls.sum())
        same(right, pulls[s > 0].sum() / pulls.sum())
        # And the windows themselves, of which the page has only a histogram.
        found = measured[when, "digit"] + bias, measured[when, "background"] - bias
        of_digits, of_others = (pull(s, torch.full_like(s, y)).sum() for s, y in zip(found, (1, 0)))
        same(digits, of_digits / (of_digits + of_others), rtol=0, atol=0.001)
    stored = json.loads(focal_margins.FILE.read_text())
    for (when, what), s in measured.items():
        rows = [(row["s"], row["n"]) for row in stored if (row["when"], row["what"]) == (when, what)]
        same(rows, double(focal_margins.histogram(s)), rtol=0, atol=2e-4)


def test_convexity(bring):
    yes = torch.tensor(1.0, dtype=torch.float64)
    cases = [("cross-entropy", 2, lambda s: ln.binary_cross_entropy_with_logits(s, yes))]
    cases += [("squared, sigmoid", 2, lambda s: ln.mse_loss(torch.sigmoid(s), yes))]
    cases += [("focal", g, lambda s, g=g: ln.sigmoid_focal_loss(s, yes, gamma=g)) for g in (0, 0.5, 2, 5)]
    asked = [column("curves", name) for name in ("s", "loss", "second")]
    asked += [signal(name) for name in ("curve", "chord", "bend")]
    ends = [(-8, 8), (-6, 0), (3, -3.3), (1, 1)]
    settings = [{"loss": name, "gamma": g, "a": a, "b": b} for (name, g, _), (a, b) in itertools.product(cases, ends)]
    shown = bring("convexity").show(settings, *asked)
    for ((_, _, loss), (a, b)), (s, values, second, curve, chord, bend) in zip(itertools.product(cases, ends), shown):
        s, middle = double(s), double((a + b) / 2)
        assert len(s) == 321 and s[0] == -8 and s[-1] == 8
        same(values, torch.func.vmap(loss)(s))
        same(second, slope(torch.func.grad(loss), s), atol=1e-11)
        same(curve, loss(middle))
        same(chord, (loss(double(a)) + loss(double(b))) / 2)
        same(bend, torch.func.grad(torch.func.grad(loss))(middle), atol=1e-11)


# How they behave


@pytest.mark.parametrize("name", CHAPTERS)
def test_each_control_has_a_name_and_obeys_the_keyboard(bring, name):
    it = bring(name)
    controls = it.figure.locator("input, select")
    names = controls.evaluate_all("nodes => nodes.map(node => node.labels[0].firstChild.textContent)")
    assert all(len(n) > 3 for n in names) and len(set(names)) == len(names) > 0
    said = it.said()
    it.page.evaluate("document.querySelector('figure.explorable .vega-bind :is(input, select)').focus()")
    for k in range(len(names)):
        assert controls.nth(k).evaluate("node => node == document.activeElement")
        before = it.figure.locator("svg").evaluate("node => node.outerHTML")
        is_list = controls.nth(k).evaluate("node => node.tagName") == "SELECT"
        it.page.keyboard.press("ArrowDown" if is_list else "ArrowRight")
        it.page.wait_for_function("h => document.querySelector('figure.explorable svg').outerHTML != h", arg=before)
        it.page.keyboard.press("Tab")
    assert it.said() != said
    assert not it.errors


@pytest.mark.parametrize(
    ("name", "start", "move", "scale", "moved"),
    [
        ("kl-divergence", (200, 80), 150, "cm", "mean"),
        ("softmax", (180, 25), -60, "score", "z1"),
        ("three-losses", (200, 150), 100, "score", "z"),
        ("convexity", None, 60, "score", "a"),
    ],
)
def test_it_can_be_dragged(bring, name, start, move, scale, moved):
    it = bring(name)
    box = in_view(it)
    if start is None:  # the left end of the chord
        handle = it.figure.locator("svg .mark-symbol path").first.bounding_box()
        start = (handle["x"] + handle["width"] / 2 - box["x"], handle["y"] + handle["height"] / 2 - box["y"])
    drag(it, start, move)
    pointed = it.page.evaluate(
        "([x, scale]) => { const { view } = document.querySelector('figure.explorable');"
        " return view.scale(scale).invert(x - view.padding().left); }",
        [start[0] + move, scale],
    )
    assert abs(it.now(moved) - pointed) < 0.06  # scores go in steps of 0.1
    slider = it.figure.locator(f"input[name={moved}]")
    assert abs(float(slider.input_value()) - it.now(moved)) < 1e-9
    assert not it.errors


def test_a_bar_of_the_entropy_can_be_dragged(bring):
    it = bring("entropy")
    left = it.page.evaluate("document.querySelector('figure.explorable').view.padding().left")
    half = it.now("half")
    drag(it, (left + 10, 24 + 18), half * 0.75 - 10)
    assert it.now("A") == 16  # with 8 others the nearest that a slider can do, two thirds
    drag(it, (left + 10, 24 + 18 + 36), half / 3 - 10)
    assert it.now("B") == 10 and it.now("A") == 16  # a third: of 30
    assert it.said().startswith("Entropy ")


def in_view(it):
    """Where the drawing is, once it does not move any more."""
    it.figure.locator("svg").evaluate("node => node.scrollIntoView({ block: 'center', behavior: 'instant' })")
    return it.figure.locator("svg").bounding_box()


def drag(it, start, move):
    box = in_view(it)
    it.page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    it.page.mouse.down()
    it.page.mouse.move(box["x"] + start[0] + move / 2, box["y"] + start[1], steps=3)
    it.page.mouse.move(box["x"] + start[0] + move, box["y"] + start[1], steps=3)
    it.page.mouse.up()
    it.page.mouse.move(box["x"] + start[0], box["y"] + start[1])  # which moves nothing any more
    it.page.evaluate("document.querySelector('figure.explorable').view.runAsync().then(() => null)")


@pytest.mark.parametrize("name", CHAPTERS)
def test_on_a_phone_in_both_themes(bring, name):
    it = bring(name, viewport=PHONE, has_touch=True)
    assert it.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    drawing = it.figure.locator("svg")
    assert drawing.bounding_box()["width"] <= PHONE["width"] - 20
    # Letters keep their size, the drawing gives way; and all of them are inside it.
    outside = """svg => { const frame = svg.getBoundingClientRect();
        return [...svg.querySelectorAll("text")].filter(text => text.textContent).filter(text => {
            const box = text.getBoundingClientRect();
            return box.height < 11 || box.left < frame.left - 1 || box.right > frame.right + 1
                || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
        }).map(text => text.textContent); }"""
    assert drawing.evaluate(outside) == []
    # A finger that goes up or down on it scrolls the page.
    assert drawing.evaluate("node => getComputedStyle(node).touchAction") == "pan-y"
    # axe goes through the whole page before it looks at a part of it.
    it.page.evaluate("document.querySelectorAll('.katex, pre').forEach(node => { node.textContent = 'x'; })")
    for theme in ("light", "dark"):
        it.page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        turned = it.figure.locator(".explorable-picture").evaluate("node => getComputedStyle(node).filter")
        assert turned.startswith("invert") if theme == "dark" else turned == "none"
        found = Axe().run(it.page, context="figure.explorable", options={"preload": False})
        assert found.violations_count == 0, found.generate_report()


def test_it_works_from_a_folder_and_after_a_resize(bring):
    it = bring("softmax", place=(ROOT / "_build" / "html").as_uri())
    assert all(address.startswith("file:") for address in it.asked) and not it.errors
    wide = it.figure.locator("svg").bounding_box()["width"]
    it.page.set_viewport_size(PHONE)
    it.page.wait_for_function("w => document.querySelector('figure.explorable svg').clientWidth < w", arg=wide)
    assert it.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_scripts_there_is_a_picture_and_with_them_little_to_load(browser, site, bring, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/book/{CHAPTERS[name]}.html")
    still = page.locator("figure.explorable img")
    still.scroll_into_view_if_needed()
    assert len(still.get_attribute("alt")) > 100
    address, size = still.get_attribute("src"), still.bounding_box()
    drawn = context.request.get(f"{site}/book/{CHAPTERS[name]}/../{address}")
    assert drawn.ok and drawn.text().startswith("<svg")
    assert page.locator("figure.explorable :is(input, select)").count() == 0
    assert abs(size["width"] / size["height"] - int(still.get_attribute("width")) / int(still.get_attribute("height"))) < 0.02
    # It says what the living one says before anybody moves it.
    said = page.locator("figure.explorable output").inner_text()
    context.close()
    it = bring(name)
    assert said == it.said_before == it.said() and len(said) > 20
    # With scripts the page asks nobody else, and for Vega only when the reader comes near.
    assert all(address.startswith(site) for address in it.asked)
    assert not [address for address in it.before if "vega" in address]
    assert len([address for address in it.asked if "vega" in address]) == 1
    assert not it.errors


# How they are made


def test_each_is_in_its_chapter_and_scripts_are_only_there():
    specs = {path.stem for path in (ROOT / "book/explorables").glob("*.json")} - {"common", "petals", "focal-margins"}
    assert specs == set(CHAPTERS)
    site = ROOT / "_build" / "html"
    with_script = {p.relative_to(site).as_posix() for p in site.glob("book/**/*.html") if "explorable.js" in p.read_text("utf-8")}
    assert with_script == {f"book/{chapter}.html" for chapter in (*CHAPTERS.values(), "intro")}  # the first page borrows one


def test_vega_is_the_published_one():
    vega = explorables.VEGA.read_bytes()
    assert b'version="6.4.0"' in vega
    digest = hashlib.sha256(vega).hexdigest()
    assert digest == "8f6a3587cf8d4f42c7e08120e3eb05d067e746d554e39d2dcf52acc0bd5ba28f", (
        "take build/vega.min.js and LICENSE from the npm package"
    )
    licence = explorables.VEGA.with_name("LICENSE").read_text("utf-8")
    assert "University of Washington" in licence and "Redistribution" in licence


@pytest.mark.parametrize("name", CHAPTERS)
def test_colours_come_from_the_palette(name):
    own = (ROOT / f"book/explorables/{name}.json").read_text("utf-8")
    assert set(re.findall("#[0-9A-Fa-f]{3,6}", own)) <= {"#222222", "#ffffff", "#666666"}, "use TRUTH, MODEL, THIRD or QUIET"


def test_a_faulty_spec_is_named():
    spec = explorables.complete("softmax")
    spec["signals"].append({"name": "wrong", "update": "no_such_signal + 1"})
    with pytest.raises(explorables.ExtensionError, match="explorable softmax: .*no_such_signal"):
        explorables.draw("softmax", spec)


def test_its_picture_follows_the_spec():
    spec = explorables.complete("softmax")
    next(signal for signal in spec["signals"] if signal["name"] == "T")["value"] = 10
    assert explorables.draw("softmax", spec)["say"].startswith("Probabilities 0.367, 0.332, 0.301")
