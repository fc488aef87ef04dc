// The live page: listens to /events and asks by JSON-RPC. Texts of others are only ever set as text.
"use strict";

const byId = (id) => document.getElementById(id);

// --- values

// Money is nanos, more than a double holds: such members become texts before the JSON is read. A quotation mark
// inside a text is escaped, so the pattern fits names of members only.
const parse = (text) => JSON.parse(text.replace(/("(?:\w+_)?nanos":)(-?\d+)/g, '$1"$2"'));

function money(nanos) {
  if (nanos === null || nanos === undefined) return "none";
  const value = BigInt(nanos);
  const digits = (value < 0n ? -value : value).toString().padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0{1,7}$/, "");
  const whole = digits.slice(0, -9).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return `${value < 0n ? "\u2212" : ""}${whole}.${fraction}`;
}

function duration(ns) {
  const units = [[86400e9, "d"], [3600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "\u00b5s"]];
  for (const [size, name] of units) {
    if (Math.abs(ns) >= size) return `${Number((ns / size).toPrecision(3))} ${name}`;
  }
  return `${ns} ns`;
}

function octets(count) {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  let size = count;
  while (Math.abs(size) >= 1024 && unit < names.length - 1) { size /= 1024; unit += 1; }
  return `${unit ? size.toFixed(1) : size} ${names[unit]}`;
}

function quantity(value) {
  if (!value) return "";
  if ("nanos" in value) return money(value.nanos);
  if ("octets" in value) return octets(value.octets);
  if ("ns" in value) return duration(value.ns);
  return String(value.events);
}

const clock = (ns) => new Date(ns / 1e6).toLocaleTimeString();
const moment = (ns) => (ns ? new Date(ns / 1e6).toLocaleString() : "never");
const grouped = (number) => number.toLocaleString("en").replace(/,/g, "\u202f");
const words = (name) => name.toLowerCase().replace(/_/g, " ");

// --- elements

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const show = (id, ...children) => byId(id).replaceChildren(...children);

// A table of rows; a column is [title, function of the row, class]. An empty one says so.
function table(rows, columns, empty) {
  if (!rows.length) return make("p", { class: "empty" }, empty);
  const head = make("tr", null, ...columns.map(([title, , kind]) => make("th", { class: kind }, title)));
  const body = rows.map((row) => make("tr", null, ...columns.map(([, cell, kind]) => {
    const content = cell(row);
    const text = typeof content === "string" ? content : null;
    return make("td", { class: kind, title: kind === "long" ? text : null }, content);
  })));
  return make("div", { class: "scroll", tabindex: "0" },
    make("table", null, make("thead", null, head), make("tbody", null, ...body)));
}

const link = (kind, name) => make("a", { href: `#${kind}=${encodeURIComponent(name)}` }, name);
const problem = (text) => make("p", { class: "problem", role: "alert" }, text);

// --- asking

let asked = 0;

async function call(method, params) {
  asked += 1;
  const body = JSON.stringify({ method: `OcsV1.${method}`, params: [params], id: asked });
  let response;
  try {
    response = await fetch("/jsonrpc", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  } catch {
    throw new Error("the server does not answer");
  }
  const text = await response.text();
  if (!text.startsWith("{")) throw new Error(text || `the server answered ${response.status}`);
  const answer = parse(text);
  if (answer.error !== null) throw new Error(answer.error);
  return answer.result;
}

// --- traffic

let seconds = [];
let answers = [];
let rejections = [];
let currency = "";

function tiles(status, second) {
  const shown = [
    ["requests / s", grouped(second ? second.requests : 0)],
    ["p50", second && second.requests ? duration(second.p50_ns) : "\u2013"],
    ["p99", second && second.requests ? duration(second.p99_ns) : "\u2013"],
    ["rejected / s", grouped(second ? second.rejected : 0)],
    ["open sessions", grouped(status.open_sessions)],
    ["in flight", grouped(status.in_flight)],
    ["peers", grouped(status.peers)],
    ["up for", duration(status.uptime_ns)],
  ];
  show("tiles", ...shown.map(([name, value]) => make("div", null, make("dt", null, name), make("dd", null, value))));
  currency = status.currency;
  byId("host").textContent = `${status.origin_host} \u00b7 ${status.version}`;
  byId("session-count").textContent = grouped(status.open_sessions);
}

function chart(id, lines) {
  const top = Math.max(1, ...lines.flatMap(([values]) => values));
  const drawn = lines.map(([values, kind]) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    const first = 120 - values.length;
    line.setAttribute("points", values.map((value, i) => `${first + i + 1},${39 - (value / top) * 37}`).join(" "));
    line.setAttribute("class", kind);
    return line;
  });
  show(id, ...drawn);
  return top;
}

function charts() {
  const rate = chart("rate", [[seconds.map((second) => second.requests), "p50"]]);
  byId("rate-top").textContent = `top ${grouped(rate)}`;
  const late = chart("late", [
    [seconds.map((second) => second.p99_ns), "p99"], [seconds.map((second) => second.p50_ns), "p50"]]);
  byId("late-top").textContent = late > 1 ? `top ${duration(late)}` : "";
}

function results(counts) {
  const rows = Object.entries(counts).sort((one, other) => other[1] - one[1]);
  const top = Math.max(1, ...rows.map(([, count]) => count));
  const bars = rows.map(([name, count]) => {
    const bar = make("i");
    bar.style.width = `${(count / top) * 100}%`;
    const kind = name === "SUCCESS" || name === "FREE_OF_CHARGE" ? "result" : "result bad";
    return make("div", { class: kind }, make("span", null, words(name)), bar, make("span", null, grouped(count)));
  });
  show("results", ...(bars.length ? bars : [make("p", { class: "empty" }, "no requests yet")]));
}

const TRAFFIC = [
  ["time", (row) => clock(row.at_ns)],
  ["result", (row) => words(row.result)],
  ["kind", (row) => words(row.kind)],
  ["service", (row) => row.service],
  ["took", (row) => duration(row.took_ns), "number"],
  ["client", (row) => row.client, "long"],
  ["session", (row) => link("session", row.session), "long"],
];

const REJECTED = [
  ["time", (row) => clock(row.at_ns)],
  ["reason", (row) => [words(row.result), row.failed && `(${words(row.failed)})`, row.message].filter(Boolean).join(" "), "bad"],
  ["kind", (row) => words(row.kind)],
  ["service", (row) => row.service + (row.rating_group === undefined ? "" : ` ${row.rating_group}`)],
  ["subscriber", (row) => row.subscriber || ""],
  ["called", (row) => row.called || ""],
  ["client", (row) => row.client, "long"],
  ["session", (row) => row.session, "long"],
];

const PEERS = [
  ["peer", (row) => row.origin_host, "long"],
  ["state", (row) => row.state + (row.is_suspected ? " (suspect)" : "")],
  ["address", (row) => row.address],
  ["product", (row) => row.product],
  ["profile", (row) => row.profile],
  ["requests", (row) => grouped(row.requests), "number"],
  ["in flight", (row) => grouped(row.in_flight), "number"],
  ["since", (row) => moment(row.since_at_ns)],
];

const KNOCKING = [
  ["peer", (row) => row.origin_host, "long"],
  ["address", (row) => row.address],
  ["reason", (row) => `${row.result_code} ${row.reason}`, "bad"],
  ["times", (row) => grouped(row.attempts), "number"],
  ["last", (row) => moment(row.last_at_ns)],
  ["line for ocs.yaml", (row) => make("code", null, row.remedy || "")],
];

function traffic(news, isAll) {
  const last = isAll ? 0 : 50;
  answers = isAll ? news.answers : answers.concat(news.answers).slice(-last);
  rejections = isAll ? news.rejections : rejections.concat(news.rejections).slice(-100);
  if (isAll || news.answers.length) show("answer-list", table([...answers].reverse(), TRAFFIC, "no answers yet"));
  if (isAll || news.rejections.length) {
    show("rejection-list", table([...rejections].reverse(), REJECTED, "nothing was rejected"));
  }
  results(news.results);
  if (news.peers) {
    show("peer-list", table(news.peers.peers, PEERS, "no Diameter peer is connected"));
    show("refused-list", table(news.peers.refused, KNOCKING, "nobody was refused"));
  }
  seconds = isAll ? news.seconds : seconds.concat([news.second]).slice(-120);
  tiles(news.status, seconds[seconds.length - 1]);
  charts();
}

function listen() {
  const events = new EventSource("/events");
  const state = (text, isLive) => { byId("link").textContent = text; byId("link").classList.toggle("live", isLive); };
  events.addEventListener("snapshot", (event) => { traffic(parse(event.data), true); state("live", true); });
  events.addEventListener("delta", (event) => { traffic(parse(event.data), false); followAll(); });
  events.onerror = () => {
    state("connection lost, trying again", false);
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 3000);
  };
}

// --- sessions

const SESSIONS = [
  ["session", (row) => link("session", row.session), "long"],
  ["account", (row) => link("account", row.account)],
  ["service", (row) => row.service],
  ["to", (row) => row.called || row.apn],
  ["cost", (row) => money(row.cost_nanos), "number"],
  ["opened", (row) => clock(row.opened_at_ns)],
  ["last request", (row) => clock(row.touched_at_ns)],
];
const page = { after: "", next: null, busy: false, due: 0 };

async function sessions() {
  if (page.busy) return;
  page.busy = true;
  try {
    const found = await call("SessionList", { search: byId("session-search").value, after: page.after, limit: 25 });
    page.next = found.next_after || null;
    show("session-list", table(found.sessions, SESSIONS, "no session fits"));
  } catch (error) {
    show("session-list", problem(error.message));
  }
  byId("session-next").disabled = !page.next;
  byId("session-first").disabled = !page.after;
  page.busy = false;
}

// --- balances

// Plan, rule, rate, prefix, window: what is empty or says the same again is left out.
const ruleWords = (rule) => [...new Set(rule.split("|"))].filter(Boolean).join(" \u203a ");

const CHANGES = [
  ["time", (row) => clock(row.at_ns)],
  ["account", (row) => link("account", row.account)],
  ["what", (row) => words(row.kind)],
  ["balance", (row) => row.balance],
  ["amount", (row) => quantity(row.amount), "number"],
  ["after", (row) => quantity(row.after), "number"],
  ["for", (row) => [quantity(row.used), ruleWords(row.rule)].filter(Boolean).join(" \u00b7 ") || row.reason || String(row.by), "long"],
];
let moving = false;

async function moved() {
  if (moving) return;
  moving = true;
  try {
    const found = await call("AccountHistory", { limit: 25 });
    show("change-list", table(found.entries, CHANGES, "no balance has moved"));
  } catch (error) {
    show("change-list", problem(error.message));
  }
  moving = false;
}

// What can be seen follows the traffic, every other second: the first page of sessions, the balances, the account.
function followAll() {
  page.due += 1;
  if (page.due % 2 || document.hidden) return;
  if (!page.after) sessions();
  moved();
  followAccount();
}

const QUOTAS = [
  ["rating group", (row) => String(row.rating_group ?? ""), "number"],
  ["granted", (row) => quantity(row.granted), "number"],
  ["used", (row) => quantity(row.used), "number"],
  ["cost", (row) => money(row.cost_nanos), "number"],
  ["", (row) => (row.is_final ? "final units" : "")],
];

async function session(name) {
  try {
    const found = await call("SessionShow", { session: name });
    const said = make("span", { role: "status" });
    const end = async () => {
      try {
        const asked = await call("SessionDisconnect", { session: found.session, client: found.client });
        said.textContent = `the client: ${words(asked.answer)}`;
      } catch (error) { said.textContent = error.message; }
    };
    show("session-view",
      make("h3", null, found.session),
      facts([["account", link("account", found.account)], ["client", found.client], ["service", found.service],
        ["plan", found.plan], ["to", found.called || found.apn], ["cost", money(found.cost_nanos)],
        ["opened", moment(found.opened_at_ns)], ["closes when silent at", moment(found.deadline_at_ns)]]),
      table(found.quotas, QUOTAS, "nothing is granted"),
      make("p", null, make("button", { type: "button", onclick: end }, "Disconnect"), " ", said));
  } catch (error) {
    show("session-view", problem(error.message));
  }
}

// --- accounts

const facts = (rows) => make("ul", { class: "facts" },
  ...rows.filter(([, value]) => value !== "" && value !== null).map(([name, value]) => make("li", null, `${name} `, make("b", null, value))));

const BALANCES = [
  ["balance", (row) => row.id],
  ["available", (row) => quantity(row.available), "number"],
  ["held", (row) => quantity(row.reserved), "number"],
  ["posted", (row) => quantity(row.posted), "number"],
  ["expires", (row) => moment(row.expires_at_ns)],
];
const HOLDS = [
  ["session", (row) => link("session", row.session), "long"],
  ["rating group", (row) => String(row.rating_group ?? ""), "number"],
  ["balance", (row) => row.balance],
  ["held", (row) => quantity(row.amount), "number"],
];
const ENTRIES = [
  ["time", (row) => moment(row.at_ns)],
  ["what", (row) => words(row.kind)],
  ["amount", (row) => quantity(row.amount), "number"],
  ["after", (row) => quantity(row.after), "number"],
  ["for", (row) => [quantity(row.used), ruleWords(row.rule)].filter(Boolean).join(" \u00b7 ") || row.reason || String(row.by), "long"],
  ["session or id", (row) => row.session || String(row.event), "long"],
];

// The account that is shown, with the parts of it that follow the traffic.
let watched = null;

async function look(name) {
  const found = await call("AccountShow", { account: name });
  const history = await call("AccountHistory", { account: found.account, limit: 20 });
  const balances = [
    facts([["account", found.account], ["plan", found.plan], ["state", words(found.standing)],
      ["available", `${money(found.available_nanos)} ${found.currency}`],
      ["open sessions", String(found.open_sessions)], ["known as", found.identities.join(", ")]]),
    table(found.balances, BALANCES, "no balances")];
  const changes = [
    make("h3", null, "Held for sessions"), table(found.holds, HOLDS, "nothing is held"),
    make("h3", null, "History"), table(history.entries, ENTRIES, "no entries")];
  return { found, balances, changes };
}

async function account(name, said) {
  try {
    const { found, balances, changes } = await look(name);
    currency = found.currency;
    byId("account-name").value = name;
    watched = { name: found.account, above: make("div", null, ...balances), below: make("div", null, ...changes) };
    show("account-view", watched.above, topup(found.account), said || "", watched.below);
  } catch (error) {
    watched = null;
    show("account-view", problem(error.message));
  }
}

async function followAccount() {
  const shown = watched;
  if (!shown || shown.busy || document.hidden) return;
  shown.busy = true;
  try {
    const { balances, changes } = await look(shown.name);
    shown.above.replaceChildren(...balances);
    shown.below.replaceChildren(...changes);
  } catch (error) {
    shown.above.replaceChildren(problem(error.message));
  }
  shown.busy = false;
}

function topup(name) {
  const amount = make("input", { name: "amount", inputmode: "decimal", placeholder: "10.00", required: true, autocomplete: "off" });
  const note = make("input", { name: "note", autocomplete: "off" });
  const button = make("button", null, "Top up");
  const said = make("span");
  const reference = crypto.randomUUID(); // the same for every try of this form: booked once
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const booked = await call("AccountTopup", { account: name, amount: amount.value.trim(), note: note.value, reference });
      await account(name, make("p", { class: "done", role: "status" }, `${quantity(booked.amount)} ${currency} added`));
    } catch (error) {
      said.replaceChildren(problem(error.message));
      button.disabled = false;
    }
  };
  return make("form", { class: "row", onsubmit: submit },
    make("label", null, `Amount in ${currency || "currency"}`, amount), make("label", null, "Note", note), button, said);
}

// --- start

function follow() {
  const [kind, name] = location.hash.slice(1).split("=", 2);
  if (!name) return;
  if (kind === "account") account(decodeURIComponent(name)).then(() => byId("account").scrollIntoView());
  if (kind === "session") session(decodeURIComponent(name)).then(() => byId("session-view").scrollIntoView({ block: "nearest" }));
}

function goTo(after) { page.after = after; sessions(); }

byId("account-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const wanted = `#account=${encodeURIComponent(byId("account-name").value.trim())}`;
  if (location.hash === wanted) follow(); else location.hash = wanted;
});
byId("session-form").addEventListener("submit", (event) => { event.preventDefault(); goTo(""); });
byId("session-search").addEventListener("input", () => goTo(""));
byId("session-first").addEventListener("click", () => goTo(""));
byId("session-next").addEventListener("click", () => page.next && goTo(page.next));
addEventListener("hashchange", follow);
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    byId("session-search").focus();
  }
});

listen();
sessions();
moved();
follow();
