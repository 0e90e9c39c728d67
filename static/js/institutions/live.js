// Keeps a page of staff fresh: asks for it again and swaps the parts (data-live) that changed. It says
// so (#live-stale) when it cannot.
//
// Read by XMLHttpRequest as a document, because that parses HTML without running it and without a
// string that trusted types would refuse.

const EVERY_MS = 10_000;
const PATIENCE_MS = 8_000;

const stale = document.getElementById("live-stale");

/** Return the page as it is on the server now, or null. */
function readPage() {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = PATIENCE_MS;
    request.onloadend = () => resolve(request.status === 200 ? request.responseXML : null);
    request.send();
  });
}

/** Swap what changed. False when the answer is another page, for example the sign-in. */
function show(page) {
  const parts = document.querySelectorAll("[data-live]");
  const fresh = [...parts].map((part) => page.getElementById(part.id));
  if (fresh.includes(null)) return false;
  parts.forEach((part, index) => {
    // Nothing moves under somebody's fingers.
    if (part.contains(document.activeElement)) return;
    if (part.isEqualNode(fresh[index])) return;
    part.replaceChildren(...[...fresh[index].childNodes].map((node) => document.importNode(node, true)));
  });
  return true;
}

async function refresh() {
  if (document.visibilityState === "visible") {
    const page = await readPage();
    stale.hidden = page !== null && show(page);
  }
  setTimeout(refresh, EVERY_MS);
}

setTimeout(refresh, EVERY_MS);
document.addEventListener("visibilitychange", async () => {
  if (document.visibilityState !== "visible") return;
  const page = await readPage();
  stale.hidden = page !== null && show(page);
});
