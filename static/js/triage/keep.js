// What is filled in is kept while somebody fills it in, so that a reload loses nothing. On the server
// and sealed, as an answer is; the browser keeps nothing. Skipping the question forgets it. What is typed
// to look for a place is not sent, only the place that was chosen.

const REST = 600;

const form = document.getElementById("answer");
let timer = 0;
// One after the other: an older state must not come after a newer one.
let sending = Promise.resolve();
let kept = filledIn(asItCame());

function filledIn(from) {
  const data = new FormData(from);
  for (const field of from.querySelectorAll(".place input[type=text]")) {
    if (!field.closest(".place").querySelector("[data-chosen]")) data.delete(field.name);
  }
  return new URLSearchParams(data).toString();
}

/** The form as the server made it: somebody may have been quicker than this script. */
function asItCame() {
  const copy = form.cloneNode(true);
  copy.reset();
  return copy;
}

function keep() {
  clearTimeout(timer);
  timer = 0;
  const state = filledIn(form);
  // Whoever is on the way out (exit.js) leaves nothing more here.
  if (state === kept || document.documentElement.classList.contains("is-leaving")) return;
  kept = state;
  const body = new URLSearchParams(state);
  body.set("action", "keep");
  sending = sending
    .then(() => fetch(form.getAttribute("action"), { method: "POST", body, keepalive: true }))
    .catch(() => {}); // the answer itself still goes along with the form
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(keep, REST);
}

keep();
form.addEventListener("input", soon);
form.addEventListener("change", keep);
document.addEventListener("visibilitychange", () => timer && keep());
// Every way on is a button of this form, another language too, and brings everything along.
form.addEventListener("submit", () => clearTimeout(timer));
