// A proof of work in the ALTCHA protocol: find the number that, after the salt, gives this SHA-256.
//
// Only on a page that asks for it. It runs in pieces, so that typing goes on. Where it cannot (no
// crypto outside https), the form is sent as it is, after the wait that the page asks for.

const box = document.querySelector("[data-proof]");
const field = box.querySelector("[name=altcha]");
const text = box.querySelector("[data-proof-text]");
const form = box.closest("form");
const { challenge, salt, signature, max, busy, done } = box.dataset;
const AT_ONCE = 200;

let sender = null;
let isSolved = false;

const hex = (buffer) =>
  [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

async function hashOf(number, encoder) {
  return hex(await crypto.subtle.digest("SHA-256", encoder.encode(salt + number)));
}

async function solve() {
  const encoder = new TextEncoder();
  for (let start = 0; start <= Number(max); start += AT_ONCE) {
    const numbers = Array.from({ length: AT_ONCE }, (_, step) => start + step);
    const hashes = await Promise.all(numbers.map((number) => hashOf(number, encoder)));
    const found = hashes.indexOf(challenge);
    if (found >= 0) return numbers[found];
    await new Promise((resolve) => setTimeout(resolve));
  }
  throw new Error("no number fits");
}

if (globalThis.crypto?.subtle) {
  text.textContent = busy;
  form.addEventListener("submit", (event) => {
    if (isSolved) return;
    event.preventDefault();
    sender = event.submitter;
  });
  solve()
    .then((number) => {
      const payload = { algorithm: "SHA-256", challenge, number, salt, signature };
      field.value = btoa(JSON.stringify(payload));
      text.textContent = done;
    })
    .catch(() => {})
    .finally(() => {
      isSolved = true;
      if (sender) form.requestSubmit(sender);
    });
}
