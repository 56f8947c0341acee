// The search page. What is asked stands in the address, so that it can be shared, and back goes back.

import { ask, callOff, keep, Refused } from "./api.js";
import { $, h } from "./dom.js";
import { showItem } from "./item.js";
import { decision, facets, grid, need, waiting } from "./results.js";
import { suggest } from "./suggestions.js";

const PAGE = 40;
const DEEPEST = 200;
const FIELDS = ["department", "category", "brand"];

function read() {
  const given = new URLSearchParams(location.search);
  const filters = {};
  for (const field of FIELDS) if (given.has(field)) filters[field] = given.getAll(field);
  return {
    q: given.get("q") ?? "",
    image: given.get("image") ?? "auto",
    mode: given.get("mode") ?? "semantic",
    compare: given.has("compare"),
    filters,
  };
}

function write(state) {
  const words = new URLSearchParams();
  if (state.q) words.set("q", state.q);
  if (state.image !== "auto") words.set("image", state.image);
  if (state.mode !== "semantic") words.set("mode", state.mode);
  if (state.compare) words.set("compare", "1");
  for (const [field, values] of Object.entries(state.filters)) for (const value of values) words.append(field, value);
  history.pushState(null, "", `${location.pathname}?${words}`);
}

function say(...parts) {
  const status = $("status");
  status.classList.remove("error");
  status.replaceChildren(...parts.flat(Infinity));
}

function fail(error, again) {
  if (error.name === "AbortError") return;
  const status = $("status");
  status.classList.add("error");
  $("lists").replaceChildren();
  if (error instanceof Refused && error.status === 401) {
    const key = h("input", { type: "password", id: "key", autocomplete: "off" });
    const form = h("form", { onsubmit: (event) => (event.preventDefault(), keep(key.value), again()) }, h("label", { for: "key" }, "This service needs a key "), key, h("button", {}, "Use it"));
    status.replaceChildren(form);
    return;
  }
  const wait = error.retryAfter ? ` It asks to come again in ${error.retryAfter} s.` : "";
  status.replaceChildren(`${error.message}${wait} `, h("button", { type: "button", onclick: again }, "Try again"));
}

async function render() {
  const state = read();
  $("q").value = state.q;
  $("image").value = state.image;
  $("mode").value = state.mode;
  $("compare").checked = state.compare;
  $("image").disabled = state.compare || state.mode === "lexical";
  document.title = state.q ? `${state.q} – Search` : "Search";
  if (!state.q) return welcome();
  say("Searching…");
  const slow = setTimeout(() => $("lists").replaceChildren(waiting(12)), 250);
  try {
    if (state.compare) await showBoth(state);
    else await showOne(state);
  } catch (error) {
    fail(error, render);
  } finally {
    clearTimeout(slow);
  }
}

function body(state, changes = {}) {
  return { q: state.q, k: PAGE, image: state.image, mode: state.mode, filters: state.filters, explain: true, ...changes };
}

async function showOne(state) {
  const reply = await ask("search", "search", { json: body(state) });
  const open = (id) => showItem(id, state.q);
  if (!reply.hits.length) return nothing(state);
  const left = reply.served.left_out.length ? ` Left out: ${reply.served.left_out.join(", ")}.` : "";
  say(decision(reply), left);
  const list = grid(reply.hits, open);
  const more = h("button", { type: "button", class: "more" }, "More");
  let shown = reply.hits;
  more.addEventListener("click", async () => {
    try {
      const next = await ask("more", "search", { json: body(state, { offset: shown.length }) });
      shown = [...shown, ...next.hits];
      list.append(...grid(next.hits, open).children);
      more.hidden = next.hits.length < PAGE || shown.length >= DEEPEST;
    } catch (error) {
      fail(error, render);
    }
  });
  more.hidden = reply.hits.length < PAGE;
  $("lists").replaceChildren(list, more);
  narrow(reply.hits, state);
}

async function showBoth(state) {
  const [without, withImage] = await Promise.all([
    ask("search", "search", { json: body(state, { image: "never", k: 20, explain: false }) }),
    ask("other", "search", { json: body(state, { image: "always", k: 20, explain: false }) }),
  ]);
  const open = (id) => showItem(id, state.q);
  const common = withImage.hits.filter((hit) => without.hits.some((other) => other.item.item_id === hit.item.item_id)).length;
  say(`Of ${withImage.hits.length} items, both lists have ${common}. `, need(withImage));
  $("lists").replaceChildren(
    h(
      "div",
      { class: "sides" },
      h("section", { "aria-label": "Text alone" }, h("h2", {}, "Text alone"), grid(without.hits, open, withImage.hits)),
      h("section", { "aria-label": "Text and pictures" }, h("h2", {}, "Text and pictures"), grid(withImage.hits, open, without.hits)),
    ),
  );
  narrow([...without.hits, ...withImage.hits], state);
}

function narrow(hits, state) {
  const toggle = (field, value) => {
    const values = state.filters[field] ?? [];
    const next = values.includes(value) ? values.filter((other) => other !== value) : [...values, value];
    const filters = { ...state.filters, [field]: next };
    if (!next.length) delete filters[field];
    write({ ...state, filters });
    render();
  };
  $("facets").replaceChildren(...facets(hits, state.filters, toggle));
}

function nothing(state) {
  say("Nothing was found for “", h("b", {}, state.q), "”. ", state.mode === "lexical" ? "Try matching by meaning, or other words." : "Try fewer filters.");
  $("lists").replaceChildren();
  narrow([], state);
}

function welcome() {
  callOff("search", "other", "more");
  $("facets").replaceChildren();
  $("lists").replaceChildren();
  say("Type what you are looking for, or drop a photo anywhere on this page.");
}

async function byPhoto(file) {
  if (!file) return;
  say("Looking at the photo…");
  $("facets").replaceChildren();
  $("lists").replaceChildren(waiting(12));
  try {
    const reply = await ask("search", "search/photo", { query: { k: PAGE }, body: file });
    say("Items that look like ", h("b", {}, file.name || "your photo"));
    $("lists").replaceChildren(grid(reply.hits, (id) => showItem(id, "")));
  } catch (error) {
    fail(error, () => byPhoto(file));
  }
}

function start() {
  const box = $("q");
  const change = (changes) => {
    write({ ...read(), ...changes });
    render();
  };
  const submit = () => change({ q: box.value.trim(), filters: {} });
  const closeSuggestions = suggest(box, submit);
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    closeSuggestions();
    submit();
    $("results").focus({ preventScroll: true });
  });
  $("image").addEventListener("change", (event) => change({ image: event.target.value }));
  $("mode").addEventListener("change", (event) => change({ mode: event.target.value }));
  $("compare").addEventListener("change", (event) => change({ compare: event.target.checked }));
  $("photo").addEventListener("change", (event) => byPhoto(event.target.files[0]));
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
      event.preventDefault();
      box.focus();
      box.select();
    }
  });
  const drop = $("drop");
  document.addEventListener("dragenter", (event) => event.dataTransfer?.types.includes("Files") && (drop.hidden = false));
  drop.addEventListener("dragleave", () => (drop.hidden = true));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.hidden = true;
    byPhoto(event.dataTransfer?.files[0]);
  });
  window.addEventListener("popstate", render);
  render();
}

start();
