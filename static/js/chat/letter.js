// Keeps what a worker writes to a letter: a moment after each pause, on the server, sealed with the
// letter. Nothing of it stays on this computer. Without scripts "Bewaar concept" does the same.

const PAUSE_MS = 1200;
const AGAIN_MS = 5000;

const form = document.getElementById("answer");
const area = document.getElementById("text");
const state = document.getElementById("draft-state");
const error = document.getElementById("draft-error");
const version = form.elements.namedItem("version");

let kept = "unsaved" in form.dataset ? null : area.value;
let timer = 0;
let isSaving = false;
let isLeaving = false;
let isStopped = false;

function later(ms) {
  clearTimeout(timer);
  if (!isStopped) timer = setTimeout(save, ms);
}

async function save() {
  const text = area.value;
  if (isSaving || isLeaving || isStopped || text === kept) return;
  isSaving = true;
  state.textContent = form.dataset.saving;
  try {
    const answer = await fetch(form.dataset.draft, { method: "POST", body: new FormData(form), keepalive: true });
    if (answer.status === 409) {
      // Somebody else has the letter, or wrote on in another window: what is here stays readable.
      isStopped = true;
      tell((await answer.json()).text);
      state.textContent = "";
    } else if (!answer.ok || answer.redirected) {
      throw new Error("not stored");
    } else {
      version.value = (await answer.json()).version;
      kept = text;
      tell("");
      const now = new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      state.textContent = `${form.dataset.saved} ${now}`;
    }
  } catch {
    tell(form.dataset.failed);
    later(AGAIN_MS);
  } finally {
    isSaving = false;
  }
  if (area.value !== text) later(PAUSE_MS);
}

function tell(text) {
  error.textContent = text;
  error.hidden = !text;
}

if (kept === null) later(0);
area.addEventListener("input", () => later(PAUSE_MS));
area.addEventListener("blur", () => later(0));
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && save());

// A save that is under way would make the version of the form old: wait for it, then go.
form.addEventListener("submit", (event) => {
  clearTimeout(timer);
  if (!isSaving) {
    isLeaving = true;
    return;
  }
  event.preventDefault();
  const by = event.submitter;
  const wait = setInterval(() => {
    if (isSaving) return;
    clearInterval(wait);
    form.requestSubmit(by);
  }, 50);
});
addEventListener("beforeunload", (event) => {
  if (!isLeaving && area.value !== kept) event.preventDefault();
});

const replies = document.getElementById("replies");
if (replies) {
  replies.hidden = false;
  replies.addEventListener("click", (event) => {
    const button = event.target.closest("[data-text]");
    if (!button) return;
    const { selectionStart: start, selectionEnd: end } = area;
    area.setRangeText(button.dataset.text, start, end, "end");
    replies.open = false;
    area.focus();
    area.dispatchEvent(new Event("input"));
  });
}
