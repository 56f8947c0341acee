// The list under the search box: arrow keys choose, Enter takes, Escape closes.

import { ask } from "./api.js";
import { $, h } from "./dom.js";

const WAIT = 120;

export function suggest(box, take) {
  const list = $("suggestions");
  let chosen = -1;
  let timer = 0;

  function close() {
    clearTimeout(timer);
    list.hidden = true;
    list.replaceChildren();
    chosen = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  function show(queries) {
    list.replaceChildren(
      ...queries.map((query, place) =>
        h("li", { id: `suggestion-${place}`, role: "option", "aria-selected": "false", onmousedown: (event) => pick(event, query) }, query),
      ),
    );
    list.hidden = queries.length === 0;
    box.setAttribute("aria-expanded", String(queries.length > 0));
    chosen = -1;
  }

  function pick(event, query) {
    event.preventDefault();
    box.value = query;
    close();
    take();
  }

  function move(step) {
    const options = [...list.children];
    if (!options.length) return;
    chosen = (chosen + step + options.length + (chosen < 0 && step < 0 ? 1 : 0)) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
    box.setAttribute("aria-activedescendant", options[chosen].id);
  }

  box.addEventListener("input", () => {
    clearTimeout(timer);
    if (!box.value.trim()) return close();
    timer = setTimeout(async () => {
      try {
        const found = await ask("suggest", "suggest", { query: { q: box.value, k: 8 } });
        if (document.activeElement === box) show(found.suggestions);
      } catch {
        close(); // Suggestions are a help; a search says what is wrong.
      }
    }, WAIT);
  });
  box.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Escape") {
      close();
    } else if (event.key === "Enter" && chosen >= 0) {
      pick(event, list.children[chosen].textContent);
    }
  });
  box.addEventListener("blur", close);
  return close;
}
