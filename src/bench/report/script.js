"use strict";
// Hides and shows curves. Nothing else here needs a script: the page is whole without one.
(() => {
  const data = JSON.parse(document.getElementById("kiln-bench-data").textContent);
  for (const button of document.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      for (const curve of document.querySelectorAll(`g[data-of="${button.dataset.curve}"]`)) {
        curve.classList.toggle("hidden", !shown);
      }
    });
  }
  // For a test that opens the page: how many curves are really laid out, with a length, in the chart that is shown.
  const long = (path) => path.getClientRects().length > 0 && path.getTotalLength() > 0;
  const drawn = [...document.querySelectorAll(".chart g[data-of] .curve")].filter(long).length;
  document.documentElement.dataset.kind = data.results.kind;
  document.documentElement.dataset.drawn = String(drawn);
  document.documentElement.dataset.width = String(window.innerWidth);
  document.documentElement.dataset.overflow = String(document.documentElement.scrollWidth > window.innerWidth);
})();
