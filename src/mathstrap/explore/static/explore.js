// Keep the page of a going run fresh: when its database changes, fetch the page again and swap what is live.
// Nothing is built from text here; the server's page is parsed and moved over.
const live = document.querySelector("[data-live]");
if (live) {
  const run = live.dataset.live;
  let revision = null;
  const look = async () => {
    try {
      const revisions = await (await fetch("/-/pulse.json", { cache: "no-store" })).json();
      if (revision !== null && revisions[run] !== revision) {
        const text = await (await fetch(location.href, { cache: "no-store" })).text();
        const page = new DOMParser().parseFromString(text, "text/html");
        const fresh = page.querySelector("[data-live]");
        const here = document.querySelector("[data-live]");
        if (fresh && here) here.replaceWith(document.adoptNode(fresh));
      }
      revision = revisions[run];
    } catch {
      return; // the server was stopped
    }
    setTimeout(look, 3000);
  };
  look();
}

// On a narrow window the filters come closed: the rows are what one came for.
const narrow = matchMedia("(max-width: 50rem)");
for (const box of document.querySelectorAll(".facet-box")) if (narrow.matches) box.open = false;

// A prompt is fetched when it is opened; the server's page is parsed, and its part moved under the reply.
document.addEventListener("toggle", async (event) => {
  const box = event.target;
  if (!(box instanceof HTMLElement) || !box.open || !box.dataset.prompt || box.dataset.fetched) return;
  box.dataset.fetched = "yes";
  try {
    const text = await (await fetch(box.dataset.prompt)).text();
    const page = new DOMParser().parseFromString(text, "text/html");
    const found = page.querySelector("[data-prompt-text]") || page.querySelector(".lead");
    if (found) box.lastElementChild.replaceWith(document.adoptNode(found));
  } catch {
    delete box.dataset.fetched;
  }
}, true);

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  event.preventDefault(); // the button stands in a summary, which would close
  await navigator.clipboard.writeText(button.closest("details").querySelector("textarea").value);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

// The form on top of the window, or the first below it: what a reader looks at.
const inView = (selector) => {
  const all = [...document.querySelectorAll(selector)].filter((found) => found.offsetParent !== null);
  return all.find((found) => found.getBoundingClientRect().bottom > 0) || all[all.length - 1];
};
const keys = {
  j: () => document.querySelector("a[rel=next]")?.click(),
  k: () => document.querySelector("a[rel=prev]")?.click(),
  "/": () => document.querySelector("input[type=search]")?.focus(),
  "?": () => document.querySelector("dialog.keys")?.showModal(),
  f: () => {
    const box = inView("details.flag");
    if (!box) return;
    box.open = true;
    box.querySelector("input[type=text]")?.focus();
  },
  p: () => {
    const box = inView("details.prompt");
    if (box) box.open = !box.open;
  },
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});
document.querySelector("dialog.keys")?.addEventListener("click", (event) => event.currentTarget.close());

// A reviewer's name is asked for once.
document.addEventListener("focusin", (event) => {
  if (event.target.matches?.("details.flag input")) {
    const name = event.target.form.elements.reviewer;
    if (name && !name.value) {
      name.value = localStorage.getItem("reviewer") || "";
      if (event.target === name) name.select(); // another name is typed over it, not behind it
    }
  }
});
document.addEventListener("submit", (event) => {
  const name = event.target.elements.reviewer;
  if (name) localStorage.setItem("reviewer", name.value);
});
