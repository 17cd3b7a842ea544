for (const axis of document.querySelectorAll(".axis")) {
  const steps = axis.dataset.steps.split(",").map(Number);
  const [first, last] = [Number(axis.dataset.first), Number(axis.dataset.last)];
  const rows = [...axis.querySelectorAll("[data-at]")].map((row) => ({
    now: row.querySelector(".now"), at: row.dataset.at.split(",").map(Number), told: row.dataset.told.split("|"),
  }));
  const cross = document.createElement("div");
  cross.className = "cross";
  cross.hidden = true;
  cross.append(document.createElement("span"));
  axis.append(cross);
  const leave = () => {
    cross.hidden = true;
    for (const row of rows) row.now.textContent = row.now.dataset.now;
  };
  axis.addEventListener("pointermove", (event) => {
    const box = axis.querySelector(".plot").getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - 0.006) / 0.988;
    if (share < -0.02 || share > 1.02) return leave();
    const wanted = first + share * (last - first);
    const step = steps.reduce((best, each) => (Math.abs(each - wanted) < Math.abs(best - wanted) ? each : best));
    cross.hidden = false;
    const at = 0.006 + 0.988 * (step - first) / Math.max(last - first, 1);
    cross.style.left = `${box.left - axis.getBoundingClientRect().left - axis.clientLeft + at * box.width}px`;
    cross.firstChild.textContent = `${axis.dataset.word} ${step.toLocaleString("en")}`;
    for (const row of rows) {
      const place = row.at.indexOf(step);
      row.now.textContent = place < 0 ? "\u2013" : row.told[place];
    }
  });
  axis.addEventListener("pointerleave", leave);
}
