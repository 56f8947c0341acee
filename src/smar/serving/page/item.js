// One item: its photo with what mattered in it, its words with what they are worth, and items like it.

import { ask, photo } from "./api.js";
import { $, h, money } from "./dom.js";
import { grid } from "./results.js";

export async function showItem(itemId, q) {
  const dialog = $("item");
  const path = encodeURIComponent(itemId);
  dialog.replaceChildren(h("p", { role: "status" }, "Loading…"));
  if (!dialog.open) dialog.showModal();
  try {
    const [{ item }, similar, why] = await Promise.all([
      ask("item", `items/${path}`),
      ask("similar", `similar/${path}`, { query: { k: 6 } }),
      q ? ask("explain", `explain/${path}`, { query: { q } }) : null,
    ]);
    dialog.replaceChildren(close(dialog), detail(item, why, q), h("h3", {}, "Similar items"), grid(similar.hits, (id) => showItem(id, q)));
    if (why?.cells) heat(dialog.querySelector("canvas"), why.cells);
  } catch (error) {
    if (error.name === "AbortError") return;
    dialog.replaceChildren(close(dialog), h("p", { role: "alert" }, error.message));
  }
}

function close(dialog) {
  return h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "✕");
}

function detail(item, why, q) {
  const shot = item.image
    ? h("div", { class: "overlay" }, photo(h("img", { alt: `Photo of ${item.title}` }), `${item.image.slice(1)}?width=512`), why?.cells && h("canvas", { "aria-hidden": "true" }))
    : h("p", { class: "soft" }, "This item has no photo.");
  const facts = [
    ["Brand", item.brand],
    ["Category", item.category],
    ["Department", item.department],
    ["Price", money(item.price)],
    ["In stock", item.in_stock === null ? null : item.in_stock ? "yes" : "no"],
    ...Object.entries(item.attributes),
  ].filter(([, value]) => value !== null && value !== "");
  return h(
    "div",
    { class: "detail" },
    shot,
    h(
      "div",
      {},
      h("h2", { id: "item-title" }, item.title),
      item.description && h("p", {}, item.description),
      h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))])),
      why && reasons(why, q),
    ),
  );
}

function reasons(why, q) {
  const most = Math.max(...why.words.map((word) => Math.abs(word.falls)), 1e-9);
  const words = why.words.map((word) => {
    const span = h("span", { title: `without it the score falls by ${word.falls.toFixed(3)}` }, word.word);
    const share = Math.max(0, word.falls / most);
    span.style.background = `color-mix(in srgb, var(--accent) ${Math.round(share * 45)}%, transparent)`;
    return [span, " "];
  });
  const image = why.cells ? `, picture ${why.image.toFixed(3)}` : "";
  const clicks = why.clicks ? `, earlier clicks ${why.clicks.toFixed(3)}` : "";
  return [
    h("h3", {}, `Why it is found for “${q}”`),
    h("p", { class: "soft" }, `Score ${why.score.toFixed(3)}: text ${why.text.toFixed(3)}${image}${clicks}`),
    h("p", { class: "words" }, words),
    why.cells && h("p", { class: "soft" }, "Coloured places of the photo speak for it."),
  ];
}

// The cells are drawn small and enlarged, which smooths them.
function heat(canvas, cells) {
  const side = cells.length;
  const most = Math.max(...cells.flat(), 1e-9);
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  cells.forEach((row, y) =>
    row.forEach((value, x) => {
      context.fillStyle = `rgba(220, 60, 20, ${Math.max(0, value / most) * 0.65})`;
      context.fillRect(x, y, 1, 1);
    }),
  );
}
