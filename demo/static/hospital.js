/* The hospital's screen: tabs, order search, fragments swapped in place, and the panel an app opens in. */
"use strict";

const one = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => Array.from(from.querySelectorAll(selector));

/* --- the patient list */
all("[data-filter]").forEach((input) => {
  const table = document.getElementById(input.dataset.filter);
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let seen = 0;
    all("tbody", table).forEach((group) => {
      const place = one(".place", group).textContent.toLowerCase();
      const rows = all("[data-row]", group);
      rows.forEach((row) => {
        const text = place + " " + row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      });
      group.hidden = rows.every((row) => row.hidden);
      seen += rows.filter((row) => !row.hidden).length;
    });
    one(`[data-none="${input.dataset.filter}"]`).hidden = seen > 0;
  });
});

/* --- tabs */
const tabs = all('[role="tab"]');
function show(tab) {
  tabs.forEach((other) => {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = !chosen;
  });
  toTheEnd();
}
tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => show(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(index + step + tabs.length) % tabs.length];
    show(next);
    next.focus();
  });
});
function toTheEnd() {
  all("[data-end]").forEach((box) => { box.scrollLeft = box.scrollWidth; });
}
toTheEnd();

/* --- the desk: fragments from the hospital */
const desk = document.getElementById("desk");
async function swap(url, form, words) {
  desk.setAttribute("aria-busy", "true");
  desk.dataset.words = words || "";
  try {
    const options = form ? { method: "POST", body: form } : {};
    const answer = await fetch(url, { ...options, headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    desk.innerHTML = await answer.text();
    if (one(".signed", desk)) refreshPlaced();
  } catch (error) {
    const note = document.createElement("p");
    note.className = "problem";
    note.textContent = `The order desk did not answer (${error.message}). Nothing was changed.`;
    desk.prepend(note);
  } finally {
    desk.removeAttribute("aria-busy");
  }
}
async function refreshPlaced() {
  const answer = await fetch(location.pathname);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.getElementById("placed").innerHTML = page.getElementById("placed").innerHTML;
}
if (desk) {
  swap(desk.dataset.ask, null, "Asking decision support …");
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-launch]")) {
      event.preventDefault();
      launch(form);
    } else if (form.matches("[data-swap]")) {
      event.preventDefault();
      const button = event.submitter;
      const url = (button && button.getAttribute("formaction")) || form.getAttribute("action");
      swap(url, new FormData(form), form.dataset.busy);
    }
  });
}

/* --- order search */
const search = document.getElementById("order-search");
if (search) {
  const list = document.getElementById("catalogue");
  const catalogue = all('[role="option"]', list);
  const nothing = document.createElement("li");
  nothing.className = "none";
  nothing.textContent = "No order of that name";
  const options = () => all('[role="option"]', list);
  let active = -1;
  const open = (state) => {
    list.hidden = !state;
    search.setAttribute("aria-expanded", String(state));
  };
  const mark = (index) => {
    active = index;
    options().forEach((option, place) => option.setAttribute("aria-selected", String(place === active)));
    const option = options()[active];
    if (option) {
      search.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else {
      search.removeAttribute("aria-activedescendant");
    }
  };
  const refresh = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const late = (option) => (option.dataset.words.startsWith(words[0] || "") ? 0 : 1);
    const found = catalogue.filter((option) => words.every((word) => option.dataset.words.includes(word)));
    found.sort((left, right) => late(left) - late(right));
    list.replaceChildren(...(found.length ? found : [nothing]));
    mark(words.length ? 0 : -1);
  };
  const choose = (option) => {
    const form = new FormData();
    form.set("item", option.dataset.item);
    search.value = "";
    open(false);
    refresh();
    swap(`${location.pathname}/orders`, form, "Asking decision support …");
  };
  search.addEventListener("input", () => { open(true); refresh(); });
  search.addEventListener("focus", () => open(true));
  search.addEventListener("blur", () => setTimeout(() => open(false), 150));
  search.addEventListener("keydown", (event) => {
    const count = options().length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      open(true);
      if (count) mark((active + (event.key === "ArrowDown" ? 1 : -1) + count) % count);
    } else if (event.key === "Enter" && options()[active]) {
      event.preventDefault();
      choose(options()[active]);
    } else if (event.key === "Escape") {
      open(false);
    }
  });
  list.addEventListener("mousedown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest('[role="option"]');
    if (option) choose(option);
  });
}

/* --- the app beside the chart */
const panel = one(".app-panel");
async function launch(form) {
  const answer = await fetch(form.getAttribute("action"), { method: "POST", body: new FormData(form) });
  if (!answer.ok) {
    const note = document.createElement("p");
    note.className = "problem";
    note.textContent = `The app could not be opened (status ${answer.status}).`;
    form.append(note);
    return;
  }
  const { src, title } = await answer.json();
  all("iframe", panel).forEach((old) => old.remove());
  const frame = one("[data-frame]", panel).content.firstElementChild.cloneNode(false);
  frame.src = src;
  frame.title = title;
  panel.append(frame);
  one("[data-app-title]", panel).textContent = title;
  panel.hidden = false;
  document.body.classList.add("with-app");
}
if (panel) {
  const wide = one("[data-expand]", panel);
  const stretch = (state) => {
    document.body.classList.toggle("app-wide", state);
    wide.setAttribute("aria-pressed", String(state));
    wide.textContent = state ? "Side panel" : "Full width";
  };
  wide.addEventListener("click", () => stretch(!document.body.classList.contains("app-wide")));
  one("[data-close]", panel).addEventListener("click", () => {
    panel.hidden = true;
    stretch(false);
    document.body.classList.remove("with-app");
    all("iframe", panel).forEach((frame) => frame.remove());
  });
}
