"use strict";
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copies);
    const before = button.textContent;
    let done = false;
    try {
      await navigator.clipboard.writeText(source.value);
      done = true;
    } catch {
      source.hidden = false;
      source.select();
      done = document.execCommand("copy");
      source.hidden = true;
    }
    button.textContent = done ? "copied" : "press Ctrl+C";
    if (!done) { source.hidden = false; source.select(); }
    setTimeout(() => { button.textContent = before; }, 1600);
  });
}
for (const group of document.querySelectorAll(".filters")) {
  const sheet = document.getElementById(group.dataset.sheet);
  group.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    for (const other of group.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    for (const shot of sheet.children) shot.hidden = button.dataset.level !== "all" && shot.dataset.level !== button.dataset.level;
  });
}
window.addEventListener("hashchange", () => {
  const shot = document.getElementById(location.hash.slice(1));
  if (shot && shot.hidden) shot.closest("section").querySelector('[data-level="all"]')?.click();
});
