// While a proposal is being made: show it as soon as it is there. Without this, a link asks again.

const EVERY = 2500;

async function look() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.ok && !(await answer.text()).includes("data-waits")) {
      location.reload();
      return;
    }
  } catch {
    // No network for a moment; the next look may have more luck.
  }
  setTimeout(look, EVERY);
}

if (document.querySelector("[data-waits]")) {
  setTimeout(look, EVERY);
}
