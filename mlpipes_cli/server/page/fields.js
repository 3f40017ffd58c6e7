// One input of the form for each column of the model.

import { filePicker } from "./files.js";
import { make } from "./dom.js";

const KINDS = {
  double: "number", float: "number", long: "whole number", integer: "whole number",
  boolean: "yes or no", string: "text", datetime: "date and time", binary: "file",
};

/**
 * A column's field: its element, and what is done to it.
 * `json()` gives the value as JSON text (so that no digit is lost), `load(value)` shows a value,
 * `problem(text)` marks it wrong, `broken()` says why what was typed cannot be sent, if so.
 */
export function field(column, number) {
  const id = `input-${number}`;
  const control = controlFor(column, id);
  const hint = make("span", { class: "hint", id: `${id}-hint` }, kindOf(column));
  const error = make("p", { class: "error", id: `${id}-error`, hidden: true });
  const label = make("label", { for: id }, column.name === "" ? "(no name)" : column.name);
  const element = make("div", { class: `field ${control.wide ? "wide" : ""}` }, label, control.element, hint, error);
  control.focus.setAttribute("aria-describedby", hint.id);
  const problem = (text) => {
    error.textContent = text;
    error.hidden = !text;
    element.classList.toggle("wrong", Boolean(text));
    control.focus.toggleAttribute("aria-invalid", Boolean(text));
    if (text) control.focus.setAttribute("aria-invalid", "true");
    control.focus.setAttribute("aria-describedby", text ? `${error.id} ${hint.id}` : hint.id);
  };
  element.addEventListener("input", () => problem(""));
  return { ...control, column, element, problem, focus: () => control.focus.focus() };
}

function kindOf(column) {
  const kind = column.image ? "picture" : KINDS[column.type] ?? `JSON: ${column.type}`;
  return column.required ? kind : `${kind}, optional`;
}

function controlFor(column, id) {
  if (column.type === "binary" || column.image) return filePicker(id, column.image);
  if (column.type === "boolean") return column.required ? checkbox(id) : choice(id);
  if (column.type === "datetime") return dated(id);
  if (column.type === "string") return text(id);
  if (column.type in KINDS) return numeric(id, column.type === "long" || column.type === "integer");
  return document_(id);
}

/** What simple controls share: empty is null. */
function control(focus, json, load, extra = {}) {
  return { element: focus, focus, json, load, broken: () => "", ready: Promise.resolve(), ...extra };
}

function numeric(id, whole) {
  const input = make("input", { id, type: "number", step: whole ? "1" : "any", autocomplete: "off",
    inputmode: whole ? "numeric" : "decimal" });
  const load = (value) => { input.value = value === null ? "" : String(value); };
  const broken = () => {
    if (input.validity.badInput) return "expected a number";
    return input.validity.stepMismatch ? "expected a whole number" : ""; // MLflow's parsing would cut it in silence
  };
  return control(input, () => jsonNumber(input.value), load, { broken });
}

/** A number as typed in JSON's spelling (`.5`, `007` and `5.` are none). */
function jsonNumber(typed) {
  if (typed === "") return "null";
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(typed)) return typed;
  return JSON.stringify(Number(typed));
}

function text(id) {
  const input = make("textarea", { id, rows: "1", autocomplete: "off", spellcheck: "false" });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      input.form?.requestSubmit();
    }
  });
  const load = (value) => {
    input.value = value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  };
  return control(input, () => (input.value === "" ? "null" : JSON.stringify(input.value)), load);
}

function checkbox(id) {
  const input = make("input", { id, type: "checkbox" });
  return control(input, () => String(input.checked), (value) => { input.checked = truth(value) === true; });
}

function choice(id) {
  const input = make("select", { id }, make("option", { value: "null" }, ""),
    make("option", { value: "true" }, "true"), make("option", { value: "false" }, "false"));
  return control(input, () => input.value, (value) => { input.value = String(truth(value)); });
}

function truth(value) {
  if (value === true || value === 1 || value === "true") return true;
  return value === null || value === "" ? null : false;
}

function dated(id) {
  const input = make("input", { id, type: "datetime-local", step: "any" });
  const load = (value) => {
    const found = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?))?/.exec(value ?? "");
    input.value = found ? `${found[1]}T${found[2] ?? "00:00"}` : "";
  };
  const broken = () => (input.validity.badInput ? "expected a complete date and time" : "");
  return control(input, () => (input.value ? JSON.stringify(input.value) : "null"), load, { broken });
}

/** Lists, objects and whatever else a signature may name: JSON as it is. */
function document_(id) {
  const input = make("textarea", { id, rows: "3", spellcheck: "false", class: "code" });
  const broken = () => {
    try {
      if (input.value.trim()) JSON.parse(input.value);
      return "";
    } catch (error) {
      return `expected JSON: ${error.message}`;
    }
  };
  const load = (value) => { input.value = value === null ? "" : JSON.stringify(value); };
  return control(input, () => input.value.trim() || "null", load, { broken, wide: true });
}
