"use strict";
(() => {
  // As many bytes on a line as there is room for beside their offset.
  const ROW = matchMedia("(max-width: 40rem)").matches ? 8 : 16, AROUND = 8, MOST = 256;
  const what = document.getElementById("what"), view = document.getElementById("bytes");
  const search = document.getElementById("search"), hits = document.getElementById("hits");
  const devices = [...document.querySelectorAll("details.device")];
  const content = new Map();
  let chosen = null;

  const bytesOf = (device) => {
    if (!content.has(device)) {
      const text = atob(device.querySelector("script").textContent.trim());
      content.set(device, Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    }
    return content.get(device);
  };

  const hex = (number, digits) => number.toString(16).padStart(digits, "0");

  // The bytes around a field, those of the field marked.
  const show = (element) => {
    const device = element.closest("details.device");
    const bytes = bytesOf(device), start = Number(device.dataset.start);
    const from = Number(element.dataset.o) - start, to = from + Number(element.dataset.n);
    if (chosen) chosen.classList.remove("chosen");
    chosen = element;
    chosen.classList.add("chosen");
    const name = element.querySelector("b").textContent;
    const layout = document.getElementById(`f${element.closest("[data-f]").dataset.f}`).textContent;
    what.textContent = `${name}: ${element.dataset.n} bytes at 0x${hex(from + start, 1)}; described by ${layout}`;
    view.replaceChildren();
    if (from >= bytes.length) {
      view.textContent = "These bytes are not part of the page.";
      return;
    }
    const first = Math.max(0, Math.floor(from / ROW) - AROUND);
    const last = Math.min(Math.ceil(bytes.length / ROW), Math.ceil(to / ROW) + AROUND, first + MOST);
    for (let row = first; row < last; row += 1) {
      const line = document.createElement("div");
      line.append(`${hex(start + row * ROW, 8)}  `);
      let letters = "";
      let lit = null;
      for (let at = row * ROW; at < (row + 1) * ROW; at += 1) {
        const space = at % ROW === 7 ? "  " : " ";
        if (at >= bytes.length) {
          line.append(`  ${space}`);
          continue;
        }
        const inside = at >= from && at < to;
        if (inside) {
          if (!lit) {
            lit = document.createElement("mark");
            line.append(lit);
          }
          lit.append(hex(bytes[at], 2));
          if (at + 1 < to && (at + 1) % ROW) lit.append(space);
          else line.append(space);
        } else {
          lit = null;
          line.append(hex(bytes[at], 2), space);
        }
        letters += bytes[at] > 31 && bytes[at] < 127 ? String.fromCharCode(bytes[at]) : ".";
      }
      line.append(` ${letters}`);
      view.append(line);
    }
    const mark = view.querySelector("mark");
    if (mark) mark.scrollIntoView({ block: "nearest" });
  };

  const open = (element) => {
    for (let above = element; above; above = above.parentElement) if (above.tagName === "DETAILS") above.open = true;
  };

  const visit = (element) => {
    open(element);
    element.scrollIntoView({ block: "center" });
    (element.tagName === "DETAILS" ? element.firstElementChild : element).focus();
  };

  // The narrowest field that holds a byte of the stream.
  const fieldAt = (offset) => {
    let best = null;
    for (const element of document.querySelectorAll(".trees [data-o]")) {
      const start = Number(element.dataset.o), size = Number(element.dataset.n);
      if (start <= offset && offset < start + size && (!best || size <= Number(best.dataset.n))) best = element;
    }
    return best;
  };

  document.addEventListener("click", (event) => {
    const field = event.target.closest(".trees [data-o]");
    if (field) show(field);
    const jump = event.target.closest(".jump");
    if (jump) {
      const element = fieldAt(Number(jump.dataset.to));
      if (element) {
        visit(element);
        show(element);
      }
    }
    const cell = event.target.closest("[data-section]");
    if (cell) visit(document.getElementById(`s${cell.dataset.section}`));
  });

  // Arrow keys go from row to row, as in any tree.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    if (!event.target.closest || !event.target.closest(".trees")) return;
    const rows = [...document.querySelectorAll(".trees summary, .trees button")].filter((row) => row.offsetParent);
    const next = rows[rows.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });

  const find = () => {
    const word = search.value.trim().toLowerCase();
    let count = 0;
    for (const device of devices) {
      let here = !word || device.firstElementChild.textContent.toLowerCase().includes(word);
      const whole = here;
      for (const item of device.querySelectorAll("li")) item.classList.remove("away");
      if (word) {
        const items = [...device.querySelectorAll("li")].reverse();
        for (const item of items) {
          const own = item.firstElementChild.tagName === "DETAILS" ? item.firstElementChild.firstElementChild : item.firstElementChild;
          const fits = own.textContent.toLowerCase().includes(word);
          const below = item.querySelector(":scope > details > ul > li:not(.away)");
          if (fits) count += 1;
          if (fits || below) here = true;
          else if (!whole) item.classList.add("away");
          if (below && item.firstElementChild.tagName === "DETAILS") item.firstElementChild.open = true;
        }
      }
      device.classList.toggle("away", !here);
      if (word && here && !whole) device.open = true;
    }
    hits.textContent = word ? `${count} field${count === 1 ? "" : "s"}` : "";
  };

  let waiting = 0;
  document.querySelector(".search").hidden = false;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 120);
  });
})();
