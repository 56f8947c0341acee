// Asks the service. A newer question of the same kind calls the older one off.

const KEY = "smar-key";
const running = new Map();

export class Refused extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export function keep(key) {
  sessionStorage.setItem(KEY, key);
}

export function callOff(...kinds) {
  for (const kind of kinds) running.get(kind)?.abort();
}

// Where a service takes a key to read, an <img> cannot show it; then photos are fetched.
export function photo(image, address) {
  const key = sessionStorage.getItem(KEY);
  if (!key) {
    image.src = address;
    return image;
  }
  fetch(address, { headers: { Authorization: `Bearer ${key}` } })
    .then((reply) => (reply.ok ? reply.blob() : Promise.reject(reply.status)))
    .then((blob) => (image.src = URL.createObjectURL(blob)))
    .catch(() => image.remove());
  return image;
}

export async function ask(kind, path, { query = {}, json, body } = {}) {
  running.get(kind)?.abort();
  const controller = new AbortController();
  running.set(kind, controller);
  const words = new URLSearchParams(query).toString();
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (json) headers["Content-Type"] = "application/json";
  let reply;
  try {
    reply = await fetch(`v1/${path}${words && `?${words}`}`, {
      method: json || body ? "POST" : "GET",
      headers,
      body: json ? JSON.stringify(json) : body,
      signal: controller.signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The service cannot be reached. Is it running?");
  }
  const found = await reply.json().catch(() => null);
  if (reply.ok && found) return found;
  const wait = Number(reply.headers.get("Retry-After")) || 0;
  throw new Refused(reply.status, found?.error?.message ?? `The service answered ${reply.status}.`, wait);
}
