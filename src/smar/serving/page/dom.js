// Builds elements: text is always text, never markup, so nothing that a shop or a shopper wrote can run.

export const $ = (id) => document.getElementById(id);

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function money(price) {
  return price === null ? "" : price.toLocaleString(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
}
