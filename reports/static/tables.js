"use strict";
// Tables sort by a column and copy as text with tabs; without this script they are tables all the same.
const tables = (() => {
  const NUMBER = /^([-+]?[\d,]*\.?\d+(?:e[-+]?\d+)?)(?=$|[\s,;%])/i;
  const FEWEST = 3;

  const words = (node) => node.textContent.replace(/\s+/g, " ").trim();
  function said(cell) {
    const copy = cell.cloneNode(true);
    copy.querySelectorAll(".unseen, .of, .evidence").forEach((part) => part.remove());
    copy.querySelectorAll(".sub").forEach((part) => part.prepend(" "));
    return words(copy);
  }
  function numeric(text) {
    const found = NUMBER.exec(text.replace("\u2212", "-"));
    return found ? Number(found[1].replaceAll(",", "")) : NaN;
  }

  // The estimate that is all a cell holds; a number with words before it is text.
  function estimate(cell) {
    const found = cell.querySelector(".est");
    return found && words(found) === words(cell) ? found : null;
  }

  // What a cell is sorted by: its number, else its words; null where nothing was measured or stated.
  function worth(cell) {
    const found = estimate(cell);
    const text = found ? words(found.querySelector("b")) : said(cell);
    if (cell.matches(".unsaid") || cell.querySelector(".none") || text === "" || text === "–") return null;
    return text;
  }

  function sort(table, rows, column, way) {
    const keyed = rows.map((row) => [worth(row.cells[column]), row]);
    const known = keyed.filter(([text]) => text !== null);
    const numbers = known.every(([text]) => !Number.isNaN(numeric(text)));
    const compare = numbers
      ? (a, b) => numeric(a) - numeric(b)
      : (a, b) => a.localeCompare(b, "en", { numeric: true, sensitivity: "base" });
    const sign = way === "descending" ? -1 : 1;
    const order = way === "none" ? rows : [
      ...known.sort(([a], [b]) => sign * compare(a, b)).map(([, row]) => row),
      ...keyed.filter(([text]) => text === null).map(([, row]) => row),
    ];
    table.tBodies[0].append(...order);
  }

  function makeSortable(table) {
    const head = table.tHead && table.tHead.rows.length === 1 ? [...table.tHead.rows[0].cells] : [];
    const rows = table.tBodies.length === 1 ? [...table.tBodies[0].rows] : [];
    if (rows.length < FEWEST || rows.some((row) => row.cells.length !== head.length)) return;
    head.forEach((cell, column) => {
      if (!words(cell)) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "none" }[cell.getAttribute("aria-sort")] || "ascending";
        head.forEach((other) => other.removeAttribute("aria-sort"));
        if (next !== "none") cell.setAttribute("aria-sort", next);
        sort(table, rows, column, next);
      });
    });
  }

  // A spreadsheet takes text that begins so for a formula.
  function harmless(text) {
    const plain = text.replaceAll("\u2212", "-");
    return /^[=+\-@]/.test(plain) && !/^[-+]?[\d.,]+(e[-+]?\d+)?( ?%)?$/i.test(plain) ? `'${plain}` : plain;
  }

  // A number with its interval and n takes a column for each, so that a spreadsheet can reckon with them.
  function asText(table) {
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const head = table.tHead ? [...table.tHead.rows[0].cells] : [];
    const lines = [[], ...rows.map(() => [])];
    head.forEach((cell, column) => {
      const cells = rows.map((row) => row.cells[column]).map((each) => each || document.createElement("td"));
      const name = said(cell);
      const found = cells.map(estimate);
      const part = (each, of) => (each && each.querySelector(of) ? words(each.querySelector(of)) : "");
      const put = (title, values) => [title, ...values].forEach((text, line) => lines[line].push(harmless(text)));
      put(name, cells.map((each, row) => (found[row] ? part(found[row], "b") : said(each))));
      const ends = found.map((each) => part(each, ".ci").replace(/[[\]]/g, "").split(", "));
      if (ends.some((pair) => pair.length === 2)) {
        ["low", "high"].forEach((end, place) => put(`${name} ${end}`, ends.map((pair) => pair[place] || "")));
      }
      const sizes = found.map((each) => part(each, ".n").replace(/^n = /, "").replaceAll(",", ""));
      if (sizes.some(Boolean)) put(`${name} n`, sizes);
    });
    return lines.map((line) => line.join("\t")).join("\n") + "\n";
  }

  function copied(text) {
    const take = (event) => { event.clipboardData.setData("text/plain", text); event.preventDefault(); };
    const byCommand = () => {
      document.addEventListener("copy", take, { once: true });
      return document.execCommand("copy");
    };
    if (!navigator.clipboard) return Promise.resolve(byCommand());
    return navigator.clipboard.writeText(text).then(() => true, byCommand);
  }

  function enhance(frame) {
    const table = frame.querySelector("table");
    if (frame.dataset.ready || !table) return;
    frame.dataset.ready = "yes";
    makeSortable(table);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy table";
    button.setAttribute("aria-label", `Copy table: ${frame.firstElementChild.getAttribute("aria-label")}`);
    const status = document.createElement("span");
    status.className = "copied";
    status.setAttribute("role", "status");
    button.addEventListener("click", () => copied(asText(table)).then((done) => {
      status.textContent = done ? "copied" : "this browser does not let a page copy";
      setTimeout(() => { status.textContent = ""; }, 4000);
    }));
    const line = document.createElement("div");
    line.className = "copying";
    line.append(status, button);
    frame.append(line);
  }

  // What is hidden has no place on the screen: a table in a closed part is made ready when it is opened. A hurried
  // keyboard may come before that: the frame takes the focus first, and then has its buttons.
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      enhance(target);
    }
  }, { rootMargin: "900px" });
  document.addEventListener("focusin", ({ target }) => {
    const frame = target.closest(".tabled");
    if (frame) enhance(frame);
  });
  return { watch: () => document.querySelectorAll(".tabled").forEach((frame) => near.observe(frame)) };
})();
