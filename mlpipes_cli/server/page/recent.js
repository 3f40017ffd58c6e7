// The table of recent predictions.

import { ask } from "./api.js";
import { byId, make, moment, shown } from "./dom.js";

const VALUES = 6; // inputs of a row that are shown
const HEADS = ["Time", "Version", "Inputs", "Prediction", "Score"];
let drawn = "";
let looks = 0;
let newest = 0; // the look whose answer is shown: answers may overtake each other

/** Read and show them; `mine` is the prediction to point out. */
export async function showRecent(model, mine) {
  const look = ++looks;
  let rows;
  try {
    rows = (await ask("predictions/recent?limit=20")).predictions;
  } catch (error) {
    if (error.status === 401) throw error;
    if (look < newest) return;
    draw("", make("p", { class: "hint" }, `Not available right now: ${error.message}`));
    return;
  }
  if (look < newest) return;
  newest = look;
  const state = JSON.stringify([rows.map((row) => row.prediction_id), mine, model.columns, new Date().toDateString()]);
  if (state === drawn) return;
  if (!rows.length) draw(state, make("p", { class: "hint" }, "None yet."));
  else draw(state, table(model, rows, mine));
}

function draw(state, content) {
  drawn = state;
  byId("recent").replaceChildren(content);
}

function table(model, rows, mine) {
  // The roles are said aloud: on a phone the rows are laid out as cards, and browsers then forget them.
  const head = make("tr", { role: "row" }, ...HEADS.map((name) => make("th", { role: "columnheader", scope: "col" }, name)));
  const body = rows.map((row) => {
    const cells = [moment(row.made_at, true), `${row.version} (${row.alias})`, inputs(model, row.inputs),
      make("strong", {}, shown(row.prediction)), score(row)];
    return make("tr", { role: "row", class: row.prediction_id === mine ? "mine" : "" },
      ...cells.map((cell, i) => make("td", { role: "cell", class: HEADS[i].toLowerCase() }, cell)));
  });
  return make("table", { role: "table", "aria-labelledby": "recent-title" },
    make("thead", { role: "rowgroup" }, head), make("tbody", { role: "rowgroup" }, ...body));
}

function score(row) {
  if (row.scores === null || row.scores === undefined) return "–";
  const value = Array.isArray(row.scores) ? Math.max(...row.scores) : row.scores;
  return typeof value === "number" ? value.toFixed(4) : "–";
}

function inputs(model, given) {
  if (given === null || typeof given !== "object" || Array.isArray(given)) return shown(given);
  const values = new Map(Object.entries(given));
  const known = model.columns.map((column) => column.name).filter((name) => values.has(name));
  const names = known.length ? known : [...values.keys()];
  const list = make("span", { class: "pairs" });
  const files = new Set(model.columns.filter((one) => one.image || one.type === "binary").map((one) => one.name));
  for (const name of names.slice(0, VALUES)) {
    const value = files.has(name) && values.get(name) ? "(file)" : short(values.get(name));
    list.append(make("span", { class: "pair" }, make("span", { class: "hint" }, `${cut(name)} `), value));
  }
  if (names.length > VALUES) list.append(make("span", { class: "hint" }, `and ${names.length - VALUES} more`));
  return list;
}

function short(value) {
  const text = shown(value).replace(/^(\d{4}-\d\d-\d\d)T00:00:00(\.0+)?$/, "$1");
  return cut(text);
}

const cut = (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text);
