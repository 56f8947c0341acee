// Lists of hits, the sentence above them, and what they can be narrowed down by.

import { photo } from "./api.js";
import { h, money } from "./dom.js";

const FACETS = [
  ["department", "Department"],
  ["category", "Category"],
  ["brand", "Brand"],
];
const MOST_VALUES = 8;

export function card(hit, open, { only = false } = {}) {
  const item = hit.item;
  const shot = item.image
    ? photo(h("img", { alt: "", loading: "lazy", width: 256, height: 340 }), `${item.image.slice(1)}?width=256`)
    : "no photo";
  return h(
    "li",
    { class: only ? "only-here" : null },
    h(
      "button",
      { type: "button", class: "card", onclick: () => open(item.item_id) },
      h("span", { class: "shot" }, shot),
      h("b", {}, item.title),
      h("small", { class: "soft" }, [item.brand, money(item.price)].filter(Boolean).join(" · ")),
      hit.why?.only_by_image && h("small", { class: "only" }, "by its picture"),
      only && h("small", { class: "only" }, "only here"),
    ),
  );
}

export function grid(hits, open, others = null) {
  const there = others && new Set(others.map((hit) => hit.item.item_id));
  return h("ol", { class: "grid" }, hits.map((hit) => card(hit, open, { only: there !== null && !there.has(hit.item.item_id) })));
}

export function waiting(count) {
  return h("ol", { class: "grid skeleton", "aria-hidden": "true" }, Array.from({ length: count }, () => h("li", { class: "card" }, h("span", { class: "shot" }))));
}

export function decision(reply) {
  if (reply.gate === null) return ["Words were matched; pictures and meaning were not used."];
  const said = {
    multimodal: "Pictures and text were searched. ",
    text: "Text alone was searched. ",
    soft: "Pictures and text were mixed. ",
  }[reply.vectors];
  return [said, need(reply)];
}

export function need(reply) {
  const share = Math.round(reply.gate * 100);
  const meter = h("span", { class: "gate", role: "img", "aria-label": `gate ${share} of 100` }, h("i", {}));
  meter.firstChild.style.width = `${share}%`;
  return ["How much this query needs pictures, says the gate: ", h("b", {}, `${share} %`), " ", meter];
}

export function facets(hits, filters, toggle) {
  return FACETS.map(([field, name]) => {
    const counts = new Map();
    for (const { item } of hits) if (item[field]) counts.set(item[field], (counts.get(item[field]) ?? 0) + 1);
    for (const value of filters[field] ?? []) if (!counts.has(value)) counts.set(value, 0);
    if (counts.size < 2 && !filters[field]) return null;
    const most = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).slice(0, MOST_VALUES);
    return h(
      "section",
      {},
      h("h2", {}, name),
      most.map(([value, count]) =>
        h(
          "button",
          { type: "button", "aria-pressed": String(filters[field]?.includes(value) ?? false), onclick: () => toggle(field, value) },
          h("span", {}, value),
          h("small", {}, String(count)),
        ),
      ),
    );
  }).filter(Boolean);
}
