// Brings a page's explorables to life, each when the reader comes near it. Until then, and where this fails, its still
// picture stays. The drawing, the controls and the numbers are all in the Vega spec that stands in the page.
{
  const address = new URL("vega/vega.min.js", document.currentScript.src);
  let vega;

  const load = () => (vega ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    Object.assign(script, { src: address, onload: () => resolve(window.vega), onerror: reject });
    document.head.append(script);
  }));

  const start = async (figure) => {
    const { View, parse } = await load();
    const find = (selector) => figure.querySelector(selector);
    const spec = parse(JSON.parse(find("script").textContent));
    const view = new View(spec, { renderer: "svg", container: find(".explorable-picture"), bind: find(".explorable-controls") });
    view.addSignalListener("say", (_, text) => { find("output").textContent = text; });
    figure.view = await view.runAsync();
  };

  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) {
        near.unobserve(target);
        start(target);
      }
    }
  }, { rootMargin: "500px" });
  document.querySelectorAll("figure.explorable").forEach((figure) => near.observe(figure));
}
