// The other edition opens at the section that the reader is in.
document.querySelector("a.btn-edition").addEventListener("click", ({ currentTarget }) => {
  const begun = [...document.querySelectorAll("section section[id]:has(> h2, > h3)")].filter((e) => e.getBoundingClientRect().top < innerHeight / 4);
  currentTarget.hash = begun.at(-1)?.id ?? "";
});
