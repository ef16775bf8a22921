// What the pages cannot do without a script: print, say that a page has grown old, send a form only once.
// Works without it: every button here is hidden until the script shows it.
"use strict";

const AGED_MINUTES = 15;

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", printed);
}

// In a sandboxed frame without allow-modals print() does nothing, silently: no beforeprint comes.
function printed() {
  let begun = false;
  const note = () => { begun = true; };
  window.addEventListener("beforeprint", note, { once: true });
  window.print();
  setTimeout(() => {
    window.removeEventListener("beforeprint", note);
    for (const line of document.querySelectorAll("[data-print-blocked]")) line.hidden = begun;
  }, 600);
}

// Paper shows what is folded on the screen, but for the list of all values and the numbers nobody stands behind.
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")].filter((each) => !each.closest(".origin, .unbacked"));
  for (const each of folded) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
});

const opened = document.querySelector("[data-opened]");
if (opened) {
  setInterval(() => {
    const minutes = Math.floor(performance.now() / 60000);
    if (minutes < AGED_MINUTES) return;
    opened.classList.add("aged");
    const fixed = opened.querySelector(".fixed");
    if (fixed) fixed.textContent = `This page is ${minutes} minutes old. Open it again for newer values.`;
  }, 30000);
}

for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
  });
}
for (const form of document.querySelectorAll("form[data-send]")) form.requestSubmit();
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
