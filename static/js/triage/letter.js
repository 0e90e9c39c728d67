// The page of a letter asks now and then whether an answer came, and whether the visit goes on.
//
// It shows nothing by itself: what is new is read when she wants to, and nobody loses what they type.

const EVERY = 30_000;

const box = document.getElementById("letter-watch");
const { frames, conversation, top } = box.dataset;
const after = Number(top);
const body = JSON.stringify({ frames: [{ type: "hello", conversation, after }] });

async function look() {
  if (document.visibilityState !== "visible") return;
  try {
    const response = await fetch(frames, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
    });
    // The visit ended in another window, or everything was erased: nothing of it may stay here.
    if (response.status === 401) return location.replace("/");
    if (!response.ok) return;
    const { frames: answers } = await response.json();
    const hello = answers.find((frame) => frame.type === "hello");
    if (hello?.top > after) box.hidden = false;
  } catch {
    // The next look tells.
  }
}

setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
