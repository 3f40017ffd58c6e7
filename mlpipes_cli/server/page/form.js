// The form: made from the model's columns, filled from its example, read as one JSON record.

import { byId, make, say } from "./dom.js";
import { field } from "./fields.js";

const MANY = 12; // columns from which on a search helps

export class Form {
  fields = [];
  example = new Map();
  signature = "";

  /** Show a model's columns; what was typed stays where a column of the same name and type stays. */
  show(model) {
    const signature = JSON.stringify(model.columns);
    const example = new Map(Object.entries(model.example ?? {}));
    byId("to-example").hidden = example.size === 0;
    if (signature === this.signature) {
      this.example = example;
      return;
    }
    const kept = new Map(this.fields.filter((one) => !this.#untouched(one)).map((one) => [keyOf(one.column), one]));
    this.example = example;
    this.signature = signature;
    this.fields = model.columns.map(field);
    for (const one of this.fields) {
      const before = kept.get(keyOf(one.column));
      one.load(before ? JSON.parse(before.json()) : this.#exampleOf(one));
    }
    byId("fields").replaceChildren(...(this.fields.length ? this.fields.map((one) => one.element) : [rawBody()]));
    byId("finder").hidden = this.fields.length <= MANY;
    byId("find").value = "";
    this.find("");
  }

  #exampleOf(one) {
    return this.example.get(one.column.name) ?? null;
  }

  #untouched(one) {
    const probe = field(one.column, "probe");
    probe.load(this.#exampleOf(one));
    return probe.json() === one.json();
  }

  toExample() {
    this.clearProblems();
    for (const one of this.fields) one.load(this.#exampleOf(one));
  }

  toEmpty() {
    this.clearProblems();
    for (const one of this.fields) one.load(null);
  }

  find(words) {
    const wanted = words.trim().toLowerCase();
    let hits = 0;
    for (const one of this.fields) {
      const hit = one.column.name.toLowerCase().includes(wanted);
      one.element.hidden = !hit;
      hits += hit;
    }
    say("found", wanted ? `${hits} of ${this.fields.length}` : `${this.fields.length} inputs`);
  }

  clearProblems() {
    say("form-error", "");
    for (const one of this.fields) one.problem("");
  }

  /** Where the record goes, and its JSON text; null where something typed cannot be sent. */
  async read() {
    if (!this.fields.length) return byId("raw").value;
    await Promise.all(this.fields.map((one) => one.ready));
    const wrong = this.fields.filter((one) => one.broken());
    for (const one of wrong) one.problem(one.broken());
    if (wrong.length) {
      this.#lead(wrong);
      return null;
    }
    return `{${this.fields.map((one) => `${JSON.stringify(one.column.name)}:${one.json()}`).join(",")}}`;
  }

  /** Show an error of the API at the columns that it names; the whole of it where it names none. */
  explain(message) {
    const named = this.fields
      .map((one) => ({ one, mark: `column ${one.column.quoted}`, at: message.indexOf(`column ${one.column.quoted}`) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at);
    named.forEach(({ one, mark, at }, i) => {
      const end = named[i + 1]?.at ?? message.length;
      const text = message.slice(at + mark.length, end).replace(/^[:\s]+/, "").replace(/[;\s]+$/, "");
      one.problem(text.replace(/ in row 0$/, "") || "not accepted");
    });
    if (named.length) this.#lead(named.map(({ one }) => one));
    else say("form-error", message);
  }

  #lead(wrong) {
    const names = wrong.slice(0, 3).map((one) => one.column.name).join(", ");
    const more = wrong.length > 3 ? ` and ${wrong.length - 3} more` : "";
    say("form-error", `Please check ${names}${more}.`);
    if (wrong.some((one) => one.element.hidden)) {
      byId("find").value = "";
      this.find("");
    }
    wrong[0].focus();
  }
}

const keyOf = (column) => JSON.stringify([column.name, column.type, column.required, column.image]);

function rawBody() {
  const hint = "This model has no named columns. Write the request in MLflow's scoring protocol.";
  const input = make("textarea", { id: "raw", rows: "8", class: "code", spellcheck: "false", "aria-describedby": "raw-hint" });
  input.value = '{"inputs": [[0.0, 0.0]]}';
  return make("div", { class: "field wide" }, make("label", { for: "raw" }, "Request"), input,
    make("span", { class: "hint", id: "raw-hint" }, hint));
}
