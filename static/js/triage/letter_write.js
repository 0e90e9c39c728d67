// Whoever writes a letter out of the queue keeps the place until it is sent: this page gives the
// sign of life, and says when somebody is free after all.

const EVERY = 20_000;

const box = document.getElementById("queued");
const { frames, conversation } = box.dataset;
const body = JSON.stringify({ frames: [{ type: "hello", conversation, after: 0 }] });

async function look() {
  try {
    const response = await fetch(frames, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
    });
    if (!response.ok) return;
    const { frames: answers } = await response.json();
    const hello = answers.find((frame) => frame.type === "hello");
    if (hello) show(hello.status);
  } catch {
    // The next look tells.
  }
}

function show(status) {
  for (const part of box.querySelectorAll("[data-when]")) part.hidden = part.dataset.when !== status;
}

look();
setInterval(look, EVERY);
// A phone that was away for a moment wants to know at once.
document.addEventListener("visibilitychange", look);
