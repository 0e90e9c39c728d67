// One line in the history for a whole visit: Back leads out of the site, not through the answers.
//
// A form that is posted the plain way leaves an entry behind. So it is posted from here, and the
// page that comes next takes the place of this one. Whatever does not go as expected (a refusal, a
// network that fails) goes the plain way after all: what was refused changed nothing, and the
// server takes the same answer twice as one.

let busy = false;

addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-onward]") || event.defaultPrevented) return;
  event.preventDefault();
  if (busy) return;
  busy = true;
  const body = new URLSearchParams(new FormData(form));
  const button = event.submitter;
  if (button?.name) body.set(button.name, button.value);
  onward(form, body).catch(() => plainly(form, button));
});

async function onward(form, body) {
  // Not `form.action`: that is the hidden field of this name.
  const address = form.getAttribute("action");
  const response = await fetch(address, { method: "POST", body, redirect: "manual" });
  if (response.type !== "opaqueredirect") throw new Error("not a redirect");
  location.replace(form.dataset.onward || address);
}

function plainly(form, button) {
  if (button?.name) {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = button.name;
    field.value = button.value;
    form.append(field);
  }
  form.submit();
}

// A page that the browser kept and shows again may be used again.
addEventListener("pageshow", () => {
  busy = false;
});
