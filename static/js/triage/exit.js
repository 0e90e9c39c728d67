// Leaving at once. Without JavaScript the exit is an ordinary form (templates/visit.html).
//
// Order matters: cover the screen before anything that may take time, then tell the server in a
// request that survives the page, then replace this page so that Back does not lead to it.

const TIMES = 3;
const WITHIN_MS = 5000;

const form = document.getElementById("exit");
// Not `form.action`: that is the hidden field of this name.
const address = form.getAttribute("action");

export function leave() {
  document.documentElement.classList.add("is-leaving");
  document.title = "…";
  const body = new URLSearchParams({ action: "exit" });
  let told = false;
  try {
    told = navigator.sendBeacon(address, body);
  } catch {
    // Told below.
  }
  if (!told) fetch(address, { method: "POST", body, keepalive: true }).catch(() => {});
  location.replace(form.dataset.exit);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  leave();
});

let presses = [];
addEventListener("keydown", (event) => {
  if (event.key !== "Shift" || event.repeat) {
    // Shift as part of typing a capital is not a call to leave.
    if (event.key !== "Shift") presses = [];
    return;
  }
  presses = [...presses, event.timeStamp].filter((at) => event.timeStamp - at < WITHIN_MS);
  if (presses.length >= TIMES) leave();
});

// A page that the browser kept in memory must not come back after the visit was left.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
