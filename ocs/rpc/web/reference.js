// The reference: every method of the OpenRPC document, and a form to call it. Texts are only ever set as text.
"use strict";

const byId = (id) => document.getElementById(id);
let methods = [];
let schemas = {};
let key = "";

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// --- schemas

const resolved = (schema) => {
  const name = schema.$ref ? schema.$ref.split("/").pop() : "";
  return name && schemas[name] ? schemas[name] : schema;
};

function typeName(schema) {
  if (!schema || !Object.keys(schema).length) return "anything";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(typeName).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(", ");
  if (schema.type === "array") return `list of ${typeName(schema.items || {})}`;
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "anything";
  return schema.description ? `${type}: ${schema.description}` : type;
}

function members(schema) {
  const object = resolved(schema);
  const required = new Set(object.required || []);
  return Object.entries(object.properties || {}).map(([name, each]) => ({
    name, type: typeName(each), required: required.has(name), standard: each.default,
  }));
}

function membersTable(schema, empty, isResult) {
  const rows = members(schema);
  if (!rows.length) return make("p", { class: "hint" }, empty);
  const titles = ["name", "type", isResult ? "" : "unless given"].map((title) => make("th", null, title));
  const body = rows.map((row) => make("tr", null,
    make("td", null, make("code", null, row.name)), make("td", { class: "wide" }, row.type),
    make("td", null, row.required ? (isResult ? "always there" : "must be given") : isResult || row.standard === undefined ? "" : JSON.stringify(row.standard))));
  return make("div", { class: "scroll", tabindex: "0" },
    make("table", null, make("thead", null, make("tr", null, ...titles)), make("tbody", null, ...body)));
}

const example = (schema) => JSON.stringify(
  Object.fromEntries(members(schema).filter((row) => row.required).map((row) => [row.name, ""])), null, 2);

// --- JSON as it came: numbers may have more digits than a double holds

function indented(text) {
  let depth = 0;
  const line = () => `\n${"  ".repeat(depth)}`;
  return text.replace(/"(?:[^"\\]|\\.)*"|[{}[\],:]|\s+/g, (token, place, whole) => {
    if (/^\s/.test(token)) return "";
    if (token === "{" || token === "[") {
      const isEmpty = "}]".includes(whole[place + 1]);
      depth += 1;
      return isEmpty ? token : token + line();
    }
    if (token === "}" || token === "]") {
      depth -= 1;
      return "{[".includes(whole[place - 1]) ? token : line() + token;
    }
    if (token === ",") return token + line();
    return token === ":" ? ": " : token;
  });
}

// --- asking

const headers = () => ({ "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) });

async function call(method, text, output) {
  let params;
  try {
    params = JSON.parse(text || "{}");
  } catch (error) {
    output.replaceChildren(make("p", { class: "problem", role: "alert" }, `parameters: ${error.message}`));
    return;
  }
  if (params === null || typeof params !== "object") {
    output.replaceChildren(make("p", { class: "problem", role: "alert" }, "parameters: is an object"));
    return;
  }
  const head = JSON.stringify({ jsonrpc: "2.0", method, id: 1 });
  const body = `${head.slice(0, -1)},"params":[${text || "{}"}]}`;
  try {
    const answer = await fetch("/jsonrpc", { method: "POST", headers: headers(), body });
    const said = await answer.text();
    if (!answer.ok && !said.startsWith("{")) throw new Error(said.trim() || answer.statusText);
    const isError = "error" in JSON.parse(said);
    output.replaceChildren(
      isError ? make("p", { class: "problem", role: "alert" }, JSON.parse(said).error.message) : "",
      make("pre", null, indented(said.trim())));
  } catch (error) {
    output.replaceChildren(make("p", { class: "problem", role: "alert" }, error.message));
  }
}

// --- what is shown

function showMethod(method) {
  const schema = (method.params[0] || {}).schema || {};
  const role = method["x-role"];
  const text = make("textarea", { id: "params", spellcheck: "false", "aria-label": "Parameters" });
  text.value = example(schema);
  const output = make("div", { id: "output", role: "status" });
  const secret = make("input", { type: "password", id: "key", autocomplete: "off", placeholder: "where one is asked for" });
  secret.value = key;
  const form = make("form", { onsubmit: (event) => {
    event.preventDefault();
    key = secret.value.trim();
    call(method.name, text.value, output);
  } }, text, make("div", { class: "row" }, make("label", null, "Key", secret), make("button", null, "Call")));
  byId("method").replaceChildren(
    make("h2", null, method.name, make("span", { class: `role ${role}` }, role)),
    make("p", null, method.summary),
    make("h3", null, "Parameters"), membersTable(schema, "no members that are known here"),
    make("h3", null, "Result"), make("p", null, typeName(method.result.schema)), membersTable(method.result.schema, "", true),
    make("h3", null, role === "read" ? "Try it" : "Try it: this changes what the server has"), form, output);
}

function showList() {
  const wanted = byId("find").value.trim().toLowerCase();
  const found = methods.filter((each) => `${each.name} ${each.summary}`.toLowerCase().includes(wanted));
  const chosen = decodeURIComponent(location.hash.slice(1));
  const services = new Map();
  for (const each of found) {
    const service = each.name.slice(0, each.name.lastIndexOf("."));
    services.set(service, [...(services.get(service) || []), each]);
  }
  byId("count").textContent = `${found.length} of ${methods.length} methods`;
  byId("list").replaceChildren(...[...services].flatMap(([service, each]) => [
    make("h3", null, service),
    ...each.map(({ name }) => make("a", {
      href: `#${encodeURIComponent(name)}`, "aria-current": name === chosen ? "true" : null,
    }, name.slice(service.length + 1))),
  ]));
}

function follow() {
  const method = methods.find((each) => each.name === decodeURIComponent(location.hash.slice(1)));
  showList();
  if (method) showMethod(method);
}

async function start() {
  try {
    const answer = await fetch("/openrpc.json", { headers: headers() });
    if (!answer.ok) throw new Error((await answer.text()).trim());
    const said = await answer.json();
    methods = said.methods;
    schemas = said.components.schemas;
    byId("version").textContent = said.info.version;
    follow();
  } catch (error) {
    byId("list").replaceChildren(make("p", { class: "problem", role: "alert" }, error.message));
  }
}

byId("find").addEventListener("input", showList);
window.addEventListener("hashchange", follow);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !["INPUT", "TEXTAREA"].includes(document.activeElement.tagName)) {
    event.preventDefault();
    byId("find").focus();
  }
});
start();
