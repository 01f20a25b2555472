"use strict";
(() => {
  const search = document.getElementById("search"), outcome = document.getElementById("outcome");
  const hits = document.getElementById("hits");
  const rows = [...document.querySelectorAll("[data-row], article")];

  // A row is shown where it holds the word, and itself or a cell of it is what was asked for.
  const fits = (row, word, wanted) => {
    if (word && !row.textContent.toLowerCase().includes(word)) return false;
    if (!wanted) return true;
    if (row.dataset.outcome !== undefined) return row.dataset.outcome === wanted;
    const cells = [...row.querySelectorAll("[data-outcome]")];
    return !cells.length || cells.some((cell) => cell.dataset.outcome === wanted);
  };

  const find = () => {
    const word = search.value.trim().toLowerCase(), wanted = outcome.value;
    let count = 0;
    for (const row of rows) {
      const shown = fits(row, word, wanted);
      row.classList.toggle("away", !shown);
      count += shown ? 1 : 0;
    }
    hits.textContent = word || wanted ? `${count} of ${rows.length} entries` : "";
  };

  let waiting = 0;
  document.querySelector(".filter").hidden = false;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 120);
  });
  outcome.addEventListener("change", find);
})();
