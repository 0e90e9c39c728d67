// A button that copies the list named by data-copy, one line per item.

for (const row of document.querySelectorAll("[data-copy]")) {
  const list = document.getElementById(row.dataset.copy);
  const said = row.querySelector("[role='status']");
  row.hidden = false;
  row.querySelector("button").addEventListener("click", async () => {
    const lines = Array.from(list.children, (item) => item.textContent.trim());
    try {
      await navigator.clipboard.writeText(lines.join("\n"));
      said.textContent = said.dataset.done;
    } catch {
      said.textContent = said.dataset.failed;
    }
  });
}
