// Copies the return code. Without a clipboard, or without JavaScript, it is written over by hand.

const button = document.getElementById("copy");
const told = document.getElementById("copied");

if (navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.code);
      told.textContent = button.dataset.done;
    } catch {
      told.textContent = button.dataset.failed;
    }
  });
}
