// Elements. Text goes in as text only: nothing here or elsewhere on the page parses markup.

/** Make an element: `make("p", { class: "hint", hidden: true }, "text", otherElement)`. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

export function say(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

/** A value of a prediction or an input as a person reads it. */
export function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return String(Number.isInteger(value) ? value : Number(value.toPrecision(7)));
  return typeof value === "string" ? value : JSON.stringify(value);
}

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

/** A moment as a time element: the clock for today (`short`), else the date too. */
export function moment(text, short = false) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return make("span", {}, text);
  const today = date.toDateString() === new Date().toDateString();
  const words = short && today ? CLOCK.format(date) : DAY.format(date);
  return make("time", { datetime: text, title: FULL.format(date) }, words);
}
