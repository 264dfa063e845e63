/** Elements and words of the status page; page.ts puts them into its one script. */

const SVG = "http://www.w3.org/2000/svg";

export function element(name, properties, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

export function label(text, { x, y, anchor }) {
  const made = shape("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}

export function sum(items, valueOf) {
  return items.reduce((total, item) => total + valueOf(item), 0);
}

export function orNone(value, format) {
  return value === undefined || value === null ? "–" : format(value);
}

export function formatCount(value) {
  return Math.round(value).toLocaleString("en");
}

export function formatRate(value) {
  if (value === 0) return "0";
  return value < 10 ? value.toFixed(1) : formatCount(value);
}

export function formatSeconds(seconds) {
  if (seconds === 0) return "0";
  const [unit, scaled] = seconds < 1e-3
    ? ["µs", seconds * 1e6]
    : seconds < 1
    ? ["ms", seconds * 1e3]
    : ["s", seconds];
  return `${Number(scaled.toPrecision(2))} ${unit}`;
}

export function formatBytes(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (bytes >= 1024 && power < units.length - 1) {
    bytes /= 1024;
    ++power;
  }
  return `${bytes < 10 && power > 0 ? Number(bytes.toFixed(1)) : Math.round(bytes)} ${
    units[power]
  }`;
}

/** @param span Seconds that are shown; of few minutes, the seconds are told too. */
export function formatClock(seconds, span = Infinity) {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    second: span < 300 ? "2-digit" : undefined,
  });
}

export function formatAge(since) {
  const seconds = Math.max(0, Math.floor(Date.now() / 1000 - since));
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) => Math.floor(seconds / unit));
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
