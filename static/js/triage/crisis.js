// The fold-out with help lines covers what is below it, so it closes when somebody goes on.

const panel = document.querySelector("details.crisis");

function closeUnlessWithin(event) {
  if (panel.open && !panel.contains(event.target)) panel.open = false;
}

addEventListener("focusin", closeUnlessWithin);
addEventListener("pointerdown", closeUnlessWithin);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !panel.open) return;
  panel.open = false;
  panel.querySelector("summary").focus();
});
