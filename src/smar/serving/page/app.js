// The search page. What is asked stands in the address, so that it can be shared, and back goes back.

import { ask, callOff, keep, Refused } from "./api.js";
import { $, h } from "./dom.js";
import { showItem } from "./item.js";
import { decision, facets, grid, need, waiting } from "./results.js";
import { suggest } from "./suggestions.js";

const PAGE = 40;
const DEEPEST = 200;
const FIELDS = ["department", "category", "brand"];
const RUN = "run:";
let runs = [];

function read() {
  const given = new URLSearchParams(location.search);
  const filters = {};
  for (const field of FIELDS) if (given.has(field)) filters[field] = given.getAll(field);
  return {
    q: given.get("q") ?? "",
    image: given.get("image") ?? "auto",
    mode: given.get("mode") ?? "semantic",
    compare: given.get("compare") ?? "",
    exact: given.has("exact"),
    filters,
  };
}

function write(state) {
  const words = new URLSearchParams();
  if (state.q) words.set("q", state.q);
  if (state.image !== "auto") words.set("image", state.image);
  if (state.mode !== "semantic") words.set("mode", state.mode);
  if (state.compare) words.set("compare", state.compare);
  if (state.exact) words.set("exact", "1");
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
    const form = h("form", { onsubmit: (event) => (event.preventDefault(), keep(key.value), offerRuns().then(again)) }, h("label", { for: "key" }, "This service needs a key "), key, h("button", {}, "Use it"));
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
  $("compare").value = state.compare;
  $("image").disabled = state.compare === "pictures" || state.mode === "lexical";
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
  return { q: state.q, k: PAGE, image: state.image, mode: state.mode, filters: state.filters, as_typed: state.exact, explain: true, ...changes };
}

async function showOne(state) {
  const reply = await ask("search", "search", { json: body(state) });
  const open = (id) => showItem(id, state.q);
  if (!reply.hits.length) return nothing(state);
  const left = reply.served.left_out.length ? ` Left out: ${reply.served.left_out.join(", ")}.` : "";
  say(spelling(reply.understood, state), decision(reply), left);
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

// Where a word was read as another one: which, and a way back to what was typed.
function spelling(understood, state) {
  if (understood.q === understood.typed) return [];
  const back = () => (write({ ...state, exact: true }), render());
  const button = h("button", { type: "button", class: "typed", onclick: back }, `Search for “${understood.typed}” instead`);
  return h("span", { class: "spelling" }, "Shown is what fits “", h("b", {}, understood.q), "”. ", button);
}

// What stands left and right: without and with pictures, or this run and another one.
function sides(state) {
  if (state.compare === "pictures") {
    return [
      { name: "Text alone", changes: { image: "never" } },
      { name: "Text and pictures", changes: { image: "always" } },
    ];
  }
  return [runs[0], state.compare.slice(RUN.length)].map((run) => ({ name: run, changes: { run } }));
}

async function showBoth(state) {
  const both = sides(state);
  const [left, right] = await Promise.all(
    both.map(({ changes }, place) => ask(place ? "other" : "search", "search", { json: body(state, { k: 20, explain: false, ...changes }) })),
  );
  const open = (id) => showItem(id, state.q);
  const common = right.hits.filter((hit) => left.hits.some((other) => other.item.item_id === hit.item.item_id)).length;
  say(spelling(right.understood, state), `Of ${right.hits.length} items, both lists have ${common}. `, right.gate === null ? "" : need(right));
  const side = ({ name }, shown, others) => h("section", { "aria-label": name }, h("h2", {}, name), grid(shown.hits, open, others.hits));
  $("lists").replaceChildren(h("div", { class: "sides" }, side(both[0], left, right), side(both[1], right, left)));
  narrow([...left.hits, ...right.hits], state);
}

// Runs that can be compared stand in the same list; without a key they cannot be asked for yet.
async function offerRuns() {
  if (runs.length) return;
  try {
    runs = (await ask("runs", "runs")).runs;
  } catch {
    return;
  }
  const options = runs.slice(1).map((run) => h("option", { value: RUN + run }, `${runs[0]} and ${run}`));
  $("compare").append(...options);
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
  const submit = () => change({ q: box.value.trim(), filters: {}, exact: false });
  const closeSuggestions = suggest(box, submit);
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    closeSuggestions();
    submit();
    $("results").focus({ preventScroll: true });
  });
  $("image").addEventListener("change", (event) => change({ image: event.target.value }));
  $("mode").addEventListener("change", (event) => change({ mode: event.target.value }));
  $("compare").addEventListener("change", (event) => change({ compare: event.target.value }));
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
  offerRuns().then(render);
}

start();
