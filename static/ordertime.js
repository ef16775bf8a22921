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
for (const form of document.querySelectorAll("form[data-send]")) {
  const { name, keep } = form.dataset;
  try { if (keep) sessionStorage.setItem(name, keep); } catch { /* a cookie may do instead */ }
  form.requestSubmit();
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// A frame without cookies: the visit's secret lies in this tab's sessionStorage and travels as a form field.
function kept(name) {
  try { return sessionStorage.getItem(name); } catch { return null; }
}
for (const step of document.querySelectorAll("form[data-onward]")) {
  const { onward, name, keep, leave } = step.dataset;
  try { if (keep) sessionStorage.setItem(name, keep); } catch { /* a cookie may do instead */ }
  const secret = kept(name);
  if (onward === "leave") {
    location.replace(leave);
  } else if (secret) {
    step.elements.handle.value = secret;
    if (location.pathname === "/callback") history.replaceState(null, "", location.pathname);
    step.submit();
  } else {
    for (const line of document.querySelectorAll("[data-lost]")) line.hidden = false;
    for (const line of document.querySelectorAll("[data-going]")) line.hidden = true;
  }
}
for (const form of document.querySelectorAll("form[method=post]:not([data-onward])")) {
  const secret = form.elements.visit && kept(`visit:${form.elements.visit.value}`);
  if (secret) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "handle", value: secret }));
}
