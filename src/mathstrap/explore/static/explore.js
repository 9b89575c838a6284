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
