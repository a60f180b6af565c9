"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const colours = JSON.parse(document.getElementById("colours").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { responsive: true, displaylogo: false, scrollZoom: false, doubleClick: false, displayModeBar: false };
  let printing = false;

  // Figures are stored in the light colours; a value of a colour property is exchanged where the page is dark.
  function themed(value, key) {
    if (typeof value === "string") return /color/i.test(key) ? colours[value] || value : value;
    if (Array.isArray(value)) return value.map((entry) => themed(entry, key));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, themed(entry, /color/i.test(key) ? key : name)]));
    }
    return value;
  }

  // On a narrow screen the names of the rows would leave no room for the drawing: they go into two short lines.
  const NARROW = 520, LINE = 20;
  function folded(name) {
    if (typeof name !== "string" || name.length <= LINE || name.includes("<")) return name;
    const lines = [""];
    for (const word of name.split(" ")) {
      const last = lines.length - 1;
      if (lines[last] && lines[last].length + word.length >= LINE && last === 0) lines.push(word);
      else lines[last] += (lines[last] ? " " : "") + word;
    }
    return lines.map((line) => (line.length > LINE + 4 ? `${line.slice(0, LINE + 3)}…` : line)).join("<br>");
  }

  function draw(plot) {
    const stored = figures[Number(plot.dataset.figure)];
    const shown = dark.matches && !printing ? themed(stored, "") : structuredClone(stored);
    const axis = shown.layout.yaxis;
    if (axis && Array.isArray(axis.ticktext) && plot.clientWidth < NARROW && !printing) {
      axis.ticktext = axis.ticktext.map(folded);
      axis.tickfont = { ...axis.tickfont, size: 11 };
    }
    plot.dataset.drawn = "yes";
    return Plotly.react(plot, shown.data, shown.layout, config).then(() => {
      // The sentence before the drawing and the table after it say what it shows; its loose labels would only confuse.
      plot.querySelectorAll("svg.main-svg").forEach((svg) => svg.setAttribute("aria-hidden", "true"));
    });
  }

  // The library is packed to a third; the policy of the page knows it by its hash, unpacked.
  async function unpack() {
    const packed = Uint8Array.from(atob(document.getElementById("library").textContent), (one) => one.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    if (typeof Plotly === "undefined") throw new Error("the library of the figures did not run");
  }

  const plots = [...document.querySelectorAll(".plot")];
  const visible = (plot) => plot.closest("[hidden], details:not([open])") === null;
  const waiting = new Set();
  let drawing = false;

  // Figures are drawn when they come near the screen: those in closed parts and behind a choice when they are shown.
  async function drawWaiting() {
    if (drawing) return;
    drawing = true;
    for (const plot of waiting) {
      waiting.delete(plot);
      await draw(plot);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    drawing = false;
    document.documentElement.dataset.figures = "drawn";
  }
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      if (!target.dataset.drawn) waiting.add(target);
    }
    drawWaiting();
  }, { rootMargin: "700px" });

  function redraw() {
    plots.filter((plot) => plot.dataset.drawn).forEach(draw);
  }

  // A saved figure is in the light colours on white, whatever the page is in.
  function save(plot, format) {
    const { data, layout } = structuredClone(figures[Number(plot.dataset.figure)]);
    const name = plot.getAttribute("aria-label").replace(/^figure: /, "").replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60);
    const size = { width: Math.max(640, plot.clientWidth), height: layout.height, scale: format === "png" ? 2 : 1 };
    const white = { ...layout, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff", width: size.width, autosize: false };
    return Plotly.downloadImage({ data, layout: white, config }, { format, filename: `countenance-${name}`, ...size });
  }

  function offerSaving(place, plotOf) {
    for (const format of ["svg", "png"]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "save";
      button.textContent = `Save ${format.toUpperCase()}`;
      button.addEventListener("click", () => save(plotOf(), format));
      place.append(button);
    }
  }

  function choose(group, position) {
    [...group.querySelectorAll(".panel")].forEach((panel, index) => { panel.hidden = index !== position; });
    const plot = group.querySelectorAll(".panel")[position].querySelector(".plot");
    if (plot && plot.dataset.drawn) draw(plot); // the page may have another width than when it was drawn
  }

  for (const chooser of document.querySelectorAll("select.chooser")) {
    chooser.addEventListener("change", () => choose(chooser.closest("figure"), Number(chooser.value)));
  }

  // A link to a number opens what hides it: the panel of a choice and every closed part around it.
  function reveal() {
    const place = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (!place) return;
    const panel = place.closest(".panel");
    if (panel && panel.hidden) {
      const group = panel.closest("figure");
      const position = [...group.querySelectorAll(".panel")].indexOf(panel);
      group.querySelector("select.chooser").value = String(position);
      choose(group, position);
    }
    for (let around = place; around; around = around.parentElement) {
      if (around.tagName === "DETAILS") around.open = true;
    }
    place.scrollIntoView({ block: "center" });
  }

  const opener = document.getElementById("open-card");
  if (opener) {
    opener.hidden = false;
    opener.addEventListener("click", () => {
      document.querySelectorAll("details.section").forEach((part) => { part.open = true; });
    });
  }

  addEventListener("hashchange", reveal);
  dark.addEventListener("change", redraw);
  const parts = () => [...document.querySelectorAll("details.section, details.method, details.caveats, details.folded")];
  let closed = [];
  addEventListener("beforeprint", () => {
    printing = true;
    closed = parts().filter((part) => !part.open);
    closed.forEach((part) => { part.open = true; });
    if (typeof Plotly !== "undefined") plots.filter(visible).forEach(draw);
  });
  addEventListener("afterprint", () => {
    printing = false;
    closed.forEach((part) => { part.open = false; });
    redraw();
  });
  if (matchMedia("(max-width: 64rem)").matches) document.querySelector("details.contents")?.removeAttribute("open");
  tables.watch();
  for (const group of document.querySelectorAll("figure.group")) {
    if (group.classList.contains("grid")) {
      for (const plot of group.querySelectorAll(".plot")) offerSaving(plot.parentElement.querySelector(".tools"), () => plot);
    } else if (group.querySelector(".plot")) {
      offerSaving(group.querySelector(".bar .tools"), () => group.querySelector(".panel:not([hidden]) .plot"));
    }
  }
  reveal();
  unpack().then(() => plots.forEach((plot) => near.observe(plot)), (error) => {
    document.getElementById("undrawn").hidden = false;
    throw error;
  });
  if (!plots.length) document.documentElement.dataset.figures = "drawn";
})();
